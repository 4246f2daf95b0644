"""The paper's selector (3.2, B.7): a language model chooses from the diagnostics.

Answers are kept on disk, so that a selection is repeated without the model. Whatever goes wrong, the deterministic
selector chooses, and the choice says why.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sleight_core.errors import SleightError
from sleight_sim.objects.cache import cache_root

from sleight_training.compose.masks.chat import ChatConfig, ask
from sleight_training.compose.masks.describe import describe
from sleight_training.compose.masks.selection import MaskChoice, MaskSelector, SelectionRequest, TaskAwareSelector
from sleight_training.reproduce.store import write_text

_FORMAT = "sleight-mask-answer-1"
_LONGEST_REASON = 400

#: The instruction, in the paper's words (B.7).
INSTRUCTION = (
    "You are selecting a finger-retention mask for a dual-task robotic manipulation problem. The robot hand has five "
    "fingers and must continue stabilizing the object from Task A while freeing sufficient fingers to execute Task B. "
    "Each candidate mask specifies which fingers remain in contact with the object and which fingers are released for "
    "downstream interaction.\n\n"
    "A good mask should satisfy three objectives simultaneously: (1) maintain stable object retention, (2) allow clean "
    "finger release without disturbing the grasp, and (3) preserve dexterous and anatomically appropriate fingers for "
    "Task B.\n\n"
    "When evaluating candidates, consider not only the numerical metrics but also the semantic suitability of the "
    "finger assignment. For example, thumb-index opposition is generally preferable for stabilizing slender "
    "cylindrical objects, while releasing the thumb may significantly reduce grasp stability even if the clean-release "
    "score is high. Avoid overly conservative masks that release too few fingers and overly aggressive masks that "
    "sacrifice object stability.\n\n"
    "Select the single mask that provides the best overall trade-off between grasp stability and downstream "
    "manipulation capability."
)
#: What we ask for beyond the paper: an answer that can be read strictly.
ANSWER = (
    'Answer with one JSON object and nothing else: {"index": the number of the mask, "reason": "one short sentence"}.'
)
_NAMES = {"ff": "index", "mf": "middle", "rf": "ring", "lf": "little", "th": "thumb"}


class AnswerError(SleightError):
    """The model answered something else than one candidate's number."""


def prompt_of(request: SelectionRequest) -> str:
    """The question (paper B.7): both tasks in words, the candidates with their diagnostics, the instruction."""
    rows = [
        f"{i}: preserve {_fingers(row.preserved)}; release {_fingers(row.released)}; retention rate "
        f"{row.retention:.3f}; clean-release rate {row.clean_release:.3f}; released fingers {len(row.released)}"
        for i, row in enumerate(request.release.candidates)
    ]
    return "\n\n".join(
        (
            f"Task A ({request.first}): {request.release.about or describe(request.first)}\n"
            f"Task B ({request.second}): {describe(request.second)}",
            "Candidate masks:\n" + "\n".join(rows),
            INSTRUCTION,
            ANSWER,
        )
    )


def _fingers(names: tuple[str, ...]) -> str:
    return ", ".join(_NAMES.get(name, name) for name in names)


def read_answer(text: str, candidates: int) -> tuple[int, str]:
    """Read an answer strictly: a JSON object with an index and perhaps a reason, or a number alone.

    A code fence around it is no fault; anything else beside it is, two numbers too.

    Returns:
        The index, and the model's reason on one line ("" if it gave none).

    Raises:
        AnswerError: It is anything else, or no candidate has that index.
    """
    text = text.strip()
    if fenced := re.fullmatch(r"```(?:json)?\s*\n(.*)\n\s*```", text, flags=re.DOTALL):
        text = fenced.group(1).strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        index, reason = int(text), ""
    else:
        index, reason = _read_object(text)
    if not 0 <= index < candidates:
        raise AnswerError("the model chose an index that no candidate has", value=index)
    return index, reason


def _read_object(text: str) -> tuple[int, str]:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise AnswerError("the model named something twice")
        return dict(pairs)

    try:
        data = json.loads(text, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError):
        raise AnswerError("the model's answer is neither a number nor a JSON object") from None
    if not isinstance(data, dict) or "index" not in data or set(data) - {"index", "reason"}:
        raise AnswerError("the model's answer needs 'index' and takes 'reason', nothing else")
    index, reason = data["index"], data.get("reason", "")
    if type(index) is not int or not isinstance(reason, str):
        raise AnswerError("the model's 'index' is no whole number, or its 'reason' no text")
    shown = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    return index, shown[:_LONGEST_REASON]


class AnswerCache:
    """Answers on disk, a file each, named by the SHA-256 of model and prompt.

    Args:
        folder: Where; None: in the project's cache.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_root() / "mask_answers"

    def file(self, model: str, prompt: str) -> Path:
        """The file of a question."""
        digest = hashlib.sha256(json.dumps([_FORMAT, model, prompt]).encode()).hexdigest()
        return self.folder / f"{digest}.json"

    def read(self, model: str, prompt: str) -> str | None:
        """The kept answer; None if there is none, or its file is damaged or of another question."""
        try:
            data = json.loads(self.file(model, prompt).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(data, dict) or (data.get("format"), data.get("model"), data.get("prompt")) != (
            _FORMAT,
            model,
            prompt,
        ):
            return None
        answer = data.get("answer")
        return answer if isinstance(answer, str) else None

    def write(self, model: str, prompt: str, answer: str) -> None:
        """Keep an answer."""
        entry = {"format": _FORMAT, "model": model, "prompt": prompt, "answer": answer}
        write_text(self.file(model, prompt), json.dumps(entry, indent=1) + "\n")


class LanguageSelector:
    """Asks a language model; falls back to another selector with a stated reason.

    Args:
        config: The model.
        fallback: Who chooses where the model does not; None: `TaskAwareSelector`.
        cache: Kept answers; None: in the project's cache.
        sleep: Waits between attempts.
    """

    name = "language-model"

    def __init__(
        self,
        config: ChatConfig,
        fallback: MaskSelector | None = None,
        cache: AnswerCache | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.config = config
        self.fallback = fallback or TaskAwareSelector()
        self.cache = cache or AnswerCache()
        self._sleep = sleep

    def select(self, request: SelectionRequest) -> MaskChoice:
        """Choose as the model says (see `MaskSelector`)."""
        prompt, count = prompt_of(request), len(request.release.candidates)
        model = self.config.model
        try:
            return self._choice(request, *read_answer(self.cache.read(model, prompt) or "", count), kept=True)
        except AnswerError:
            pass  # Nothing kept, or nothing that can be read.
        try:
            answer = ask(self.config, prompt, sleep=self._sleep)
            choice = self._choice(request, *read_answer(answer, count), kept=False)
        except SleightError as error:
            instead = self.fallback.select(request)
            why = f"{self.name} {model}: {error}"
            return MaskChoice(instead.index, instead.mask, instead.selector, instead.reason, fallback=why)
        try:
            self.cache.write(model, prompt, answer)
        except OSError as error:
            raise SleightError("the model's answer cannot be kept", value=f"{self.cache.folder}: {error}") from None
        return choice

    def _choice(self, request: SelectionRequest, index: int, reason: str, *, kept: bool) -> MaskChoice:
        said = f'"{reason}"' if reason else "no reason given"
        source = f"{self.config.model}{', kept answer' if kept else ''}"
        return MaskChoice(index, request.release.mask(index), self.name, f"{source}: {said}")
