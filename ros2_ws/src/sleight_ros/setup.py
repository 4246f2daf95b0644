from setuptools import find_namespace_packages, setup

package_name = "sleight_ros"

setup(
    name=package_name,
    version="0.1.0",
    # The joint maps lie in a folder without code, which is a package all the same, so that it is installed.
    packages=find_namespace_packages(include=[package_name, f"{package_name}.*"]),
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
            "isaac_bridge = sleight_ros.nodes.isaac_bridge_node:main",
            "isaac_gym = sleight_ros.nodes.isaac_gym_node:main",
            "leap_driver = sleight_ros.drivers.leap_driver_node:main",
            "leap_official = sleight_ros.drivers.leap_official_node:main",
            "perception_node = sleight_ros.nodes.perception_node:main",
            "policy_node = sleight_ros.nodes.policy_node:main",
            "recorder = sleight_ros.recording.__main__:main",
            "sim_node = sleight_ros.nodes.sim_node:main",
            "skill_server = sleight_ros.nodes.skill_server_node:main",
        ],
        "sleight.commands": [
            "bench = sleight_ros.cli.bench:app",
            "demo = sleight_ros.cli.demo:app",
            "monitor = sleight_ros.cli.monitor:app",
            "replay = sleight_ros.cli.replay:app",
            "up = sleight_ros.cli.up:app",
        ],
    },
)
