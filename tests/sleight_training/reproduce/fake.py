"""Stands for `sleight`: makes files, fails, or works in steps that a resumed call goes on from."""

import json
import sys
import time
from pathlib import Path


def steps(folder: Path, count: int, wait: float, resume: bool) -> None:
    done = folder / "steps.txt"
    if not resume:
        assert not folder.exists() or not (folder / "config.json").exists(), "this folder holds a run already"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"count": count}))
    taken = len(done.read_text().splitlines()) if done.exists() else 0
    for k in range(taken, count):
        with done.open("a") as file:
            file.write(f"{k} {'resumed' if resume else 'first'}\n")
        time.sleep(wait)


def main(words: list[str]) -> int:
    resume = "--resume" in words
    what, *rest = [word for word in words if word != "--resume"]
    print("working on", what)
    if what == "write":
        Path(rest[0]).parent.mkdir(parents=True, exist_ok=True)
        Path(rest[0]).write_text(rest[1])
    elif what == "steps":
        steps(Path(rest[0]), int(rest[1]), float(rest[2]), resume)
    elif what == "fail":
        print("sleight: the object is torn: mug (mend it)")
        return int(rest[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
