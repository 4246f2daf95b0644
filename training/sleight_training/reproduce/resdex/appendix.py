"""The tables of the paper's appendix B: scanned objects, and the LEAP Hand on an arm."""

from __future__ import annotations

from sleight_training.reproduce.resdex import published
from sleight_training.reproduce.resdex.collect import Results
from sleight_training.reproduce.resdex.jobs import SCANNED, SETS, Line, Preset, leap_lines, leap_policies, zero_shot
from sleight_training.reproduce.resdex.scans import Scans
from sleight_training.reproduce.table import NOT_RUN, Entry, Table

#: What stands in B.1's places without a folder of objects.
GIVE_MESHES = "not run: give --meshes FOLDER, with a folder for each scanned object"


def scanned_table(preset: Preset, results: Results, scans: Scans | None) -> Table:
    """Return the table of B.1: success with scanned objects, all and each.

    Args:
        preset: What is reproduced.
        results: The evaluations on scanned objects that count.
        scans: The objects; None without a folder of them.
    """
    columns = _scanned_columns(preset)
    missing = NOT_RUN if scans else GIVE_MESHES
    printed = {"vision student": published.YCB}
    whole = [
        Entry(printed.get(column), results.cell(names, SCANNED), missing=missing) for column, names in columns.items()
    ]
    judged = {name for names in columns.values() for name in results.objects(names, SCANNED)}
    given = scans.names if scans else ()
    refused = [name for name in given if judged and name not in judged]
    rows = [("all objects", whole)]
    rows += [
        (name, [Entry(None, results.object_cell(names, SCANNED, name)) for names in columns.values()])
        for name in given
        if name not in refused
    ]
    note = _SCANNED_NOTE
    if scans:
        note += f" Ours are the {len(given)} objects in {scans.folder.name}."
    if refused:
        note += f" Left out, as their meshes were refused (the logs say why): {', '.join(refused)}."
    return Table("Appendix B.1", "success with scanned objects, zero-shot (%)", tuple(columns), rows, note)


def leap_table(preset: Preset, results: Results) -> Table | None:
    """Return the table of B.2: success of the LEAP Hand on a UR5e; None for a reproduction without it."""
    if not preset.leap_k:
        return None
    nothing = [Entry(None, compared=False)] * (len(SETS) - 1)
    rows = [("ResDex, as printed", [Entry(published.LEAP, compared=False), *nothing])]
    for policy in leap_policies(preset):
        if policy.kind == "base":
            label = f"base policy {policy.seed} alone"
            label += ", generated proposals" if policy.line.proposals else ""
            rows.append((label, [Entry(None, results.cell([policy.name], SETS[0])), *nothing]))
            continue
        kind = {"stage1": "stage 1", "stage2": "stage 2", "student": "vision student"}[policy.kind]
        label = f"{kind}, {leap_label(policy.line)}"
        rows.append((label, [Entry(None, results.cell([policy.name], column)) for column in SETS]))
    heads = ("train", "unseen objects", "unseen categories")
    title = f"success of a LEAP Hand on a UR5e, {preset.leap_k} base policies (%)"
    action = "joint targets, as in the paper" if preset.leap_action == "joints" else "a twist of the wrist (`pose`)"
    return Table("Appendix B.2", title, heads, rows, f"{_LEAP_NOTE} The arm's action is {action}.")


def leap_label(line: Line) -> str:
    """Say what a line of LEAP policies follows."""
    return "generated proposals" if line.proposals else "no proposals"


def leap_shown(preset: Preset) -> dict[str, str]:
    """Return the policies of Figure 4, by what they follow."""
    k, seed = preset.leap_k, preset.seeds[0]
    return {leap_label(line): f"{line.prefix}hyper_k{k}_s{seed}_stage2" for line in leap_lines(preset)}


def _scanned_columns(preset: Preset) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for policy in zero_shot(preset):
        label = "vision student" if policy.kind == "student" else f"stage 2, k = {policy.k}"
        columns.setdefault(label, []).append(policy.name)
    return columns


_SCANNED_NOTE = (
    "The paper's figure is over the 75 objects of the YCB set. A policy has seen none of them before. Its cloud is "
    "of the convex pieces that it touches, so what the paper says of scans that look other than they feel is not in it."
)
_LEAP_NOTE = (
    "The paper prints one figure, without seeds, and does not say of which policy. 'The arm touched': episodes in "
    "which a link of the arm or the palm touched the table, or the arm the robot itself; they may succeed all the same."
)
