"""The vision-based student: distilled from a privileged teacher by DAgger (ResDex 3.2, 4.4; resdex_facts 5.3)."""
