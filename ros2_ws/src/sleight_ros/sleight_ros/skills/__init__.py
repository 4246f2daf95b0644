"""Skills: what runs a goal of the Grasp and Compose actions, step by step, without ROS except where a file says so."""
