"""PPO through rsl-rl-lib: environment adapter, presets, and a resumable loop."""
