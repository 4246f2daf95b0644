from setuptools import find_packages, setup

package_name = "sleight_ros"

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(include=[package_name, f"{package_name}.*"]),
    package_data={"": ["*.html", "*.json", "*.yaml", "*.xml", "py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="Sleight maintainers",
    maintainer_email="maintainers@sleight.dev",
    description="ROS 2 nodes of Sleight.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "hand_bridge = sleight_ros.nodes.bridge_node:main",
            "perception_node = sleight_ros.nodes.perception_node:main",
            "policy_node = sleight_ros.nodes.policy_node:main",
            "sim_node = sleight_ros.nodes.sim_node:main",
        ],
        "sleight.commands": [
            "bench = sleight_ros.cli.bench:app",
            "demo = sleight_ros.cli.demo:app",
        ],
    },
)
