"""The hyper-policy (ResDex 4.2 and 4.3): frozen experts, mixed by learned weights, plus a learned residual."""
