"""What runs in Isaac Gym's own Python, as ``python <this folder> FD``: Python 3.6 or newer, numpy, torch and isaacgym.

Nothing in this folder may import anything of ours from outside it; a test looks.
"""
