from setuptools import find_packages, setup

package_name = "sleight_core"

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(include=[package_name, f"{package_name}.*"]),
    package_data={"": ["*.json", "*.yaml", "py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="Sleight maintainers",
    maintainer_email="maintainers@sleight.dev",
    description="The run-time of Sleight without ROS.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": ["sleight = sleight_core.cli:main"],
        "sleight.commands": [
            "bundle = sleight_core.cli.bundle:app",
            "doctor = sleight_core.cli.doctor:app",
        ],
    },
)
