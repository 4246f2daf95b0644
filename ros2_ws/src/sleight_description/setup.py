from setuptools import find_namespace_packages, setup

package_name = "sleight_description"

setup(
    name=package_name,
    version="0.1.0",
    # The hand tables lie in folders without code, which are packages all the same, so that they are installed.
    packages=find_namespace_packages(include=[package_name, f"{package_name}.*"]),
    package_data={"": ["*.yaml", "*.json", "py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="Sleight maintainers",
    maintainer_email="maintainers@sleight.dev",
    description="Hands, arms and worlds of Sleight as data.",
    license="Apache-2.0",
)
