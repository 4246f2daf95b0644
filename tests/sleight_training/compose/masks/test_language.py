"""The language-model selector against a real HTTP server that answers well, badly, or not at all."""

import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sleight_core.errors import SleightError
from sleight_training.compose.masks.chat import ChatConfig, ChatError, ask
from sleight_training.compose.masks.language import (
    AnswerCache,
    AnswerError,
    LanguageSelector,
    prompt_of,
    read_answer,
)
from sleight_training.compose.masks.selection import SelectionRequest, TaskAwareSelector

from .chat_server import answer, cut, drip, echo_key, endless, hang_up, serving, silent, status
from .reports import release_report, use_report

KEY = "sk-secret-0123456789"
GOOD = '{"index": 7, "reason": "thumb and index\\noppose each other"}'


@pytest.fixture
def request_():
    release = release_report({"rf+lf+th": (90, 95), "ff+th": (97, 60)})
    return SelectionRequest(release, "PushButton", use_report((1.0, 0.0, 0.0, 0.0, 0.0)))


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("SLEIGHT_LLM_KEY", KEY)


class Waits(list):
    def __call__(self, seconds):
        self.append(seconds)


def selector(server, tmp_path, waits=None, **config):
    chat = ChatConfig(base_url=server.url, model="model-1", **{"timeout": 10.0, **config})
    return LanguageSelector(chat, cache=AnswerCache(tmp_path / "answers"), sleep=Waits() if waits is None else waits)


def test_the_model_chooses_and_its_answer_is_kept(request_, tmp_path):
    with serving(answer(GOOD)) as server:
        choice = selector(server, tmp_path).select(request_)
        again = selector(server, tmp_path).select(request_)
    assert (choice.index, choice.selector, choice.fallback) == (7, "language-model", "")
    assert choice.mask == request_.release.mask(7)
    assert "thumb and index oppose each other" in choice.reason and "model-1" in choice.reason
    assert again.index == 7 and "kept answer" in again.reason and len(server.requests) == 1
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == f"Bearer {KEY}"
    assert body["temperature"] == 0 and body["model"] == "model-1"
    assert body["messages"] == [{"role": "user", "content": prompt_of(request_)}]


def test_the_prompt_has_the_papers_three_parts(request_):
    prompt = prompt_of(request_)
    assert "ball" in prompt and "push button" in prompt
    assert prompt.count("retention rate ") == 30
    assert (
        "preserve index, thumb; release middle, ring, little; retention rate 0.970; clean-release rate 0.600" in prompt
    )
    assert "Select the single mask that provides the best overall trade-off" in prompt
    assert KEY not in prompt


def test_without_a_key_none_is_sent(request_, tmp_path, monkeypatch):
    monkeypatch.delenv("SLEIGHT_LLM_KEY")
    with serving(answer("3")) as server:
        assert selector(server, tmp_path).select(request_).index == 3
    assert "Authorization" not in server.requests[0][1]


def everything_on_disk(folder):
    return "".join(file.read_text() for file in folder.rglob("*") if file.is_file())


BODY = b"<html><h1>Bad gateway</h1></html>"
PASSING = {
    "429": (status(429, headers=[("Retry-After", "2")]), "HTTP 429"),
    "500": (status(500, BODY), "HTTP 500"),
    "503": (status(503), "HTTP 503"),
    "broken JSON": (status(200, b'{"choices": [{"message": '), "no JSON"),
    "HTML": (status(200, BODY, [("Content-Type", "text/html")]), "no JSON"),
    "deep JSON": (status(200, b"[" * 200_000), "no JSON"),
    "no choices": (status(200, b'{"choices": []}'), "exactly one choice"),
    "two choices": (status(200, json.dumps({"choices": [{"message": {"content": "1"}}] * 2}).encode()), "exactly one"),
    "no text": (status(200, b'{"choices": [{"message": {"content": null}}]}'), "no text"),
    "hang up": (hang_up, "connection failed"),
    "cut": (cut, "closed before the end"),
}
LASTING = {
    "wrong index": (answer('{"index": 30}'), "no candidate has: 30"),
    "negative index": (answer('{"index": -1}'), "no candidate has: -1"),
    "two indices": (answer("3 or 5"), "neither a number nor"),
    "two objects": (answer('{"index": 3} {"index": 5}'), "neither a number nor"),
    "index twice": (answer('{"index": 3, "index": 5}'), "twice"),
    "a list": (answer('{"index": [3, 5]}'), "no whole number"),
    "a half": (answer('{"index": 3.0}'), "no whole number"),
    "yes": (answer('{"index": true}'), "no whole number"),
    "prose": (answer("I would choose mask 7."), "neither a number nor"),
    "more": (answer('{"index": 7, "and": 1}'), "nothing else"),
    "empty": (answer(""), "neither a number nor"),
    "401": (status(401, f'{{"error": "bad key {KEY}"}}'.encode()), "HTTP 401"),
    "404": (status(404), "HTTP 404"),
    "huge": (status(200, b"x" * 300_000), "larger than 200000 bytes"),
    "endless": (endless, "larger than 200000 bytes"),
    "the key": (echo_key, "holds the key"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_tried_again(name, request_, tmp_path):
    behaviour, _ = PASSING[name]
    waits = Waits()
    with serving(behaviour, behaviour, answer(GOOD)) as server:
        choice = selector(server, tmp_path, waits, backoff=0.5).select(request_)
    assert (choice.index, choice.fallback) == (7, "") and len(server.requests) == 3
    assert waits == ([2.0, 2.0] if name == "429" else [0.5, 1.0])


@pytest.mark.parametrize(("name", "tries"), [(name, 3) for name in PASSING] + [(name, 1) for name in LASTING])
def test_what_lasts_ends_in_the_deterministic_choice_with_the_reason(name, tries, request_, tmp_path, caplog):
    behaviour, message = (PASSING | LASTING)[name]
    with serving(behaviour) as server, caplog.at_level(logging.DEBUG):
        choice = selector(server, tmp_path, max_bytes=200_000).select(request_)
        # Nothing of it was kept: the next selection asks again.
        selector(server, tmp_path, max_bytes=200_000).select(request_)
    wanted = TaskAwareSelector().select(request_)
    assert (choice.index, choice.mask, choice.selector) == (wanted.index, wanted.mask, "task-aware")
    assert message in choice.fallback and "language-model model-1" in choice.fallback
    assert len(server.requests) == 2 * tries
    assert KEY not in str(choice) + caplog.text + everything_on_disk(tmp_path)


@pytest.mark.parametrize("behaviour", [silent, drip])
def test_a_slow_server_is_left_at_the_deadline(behaviour, request_, tmp_path):
    with serving(behaviour) as server:
        choice = selector(server, tmp_path, timeout=0.4, attempts=2).select(request_)
    assert "no complete answer within 0.4 s" in choice.fallback and len(server.requests) == 2


def test_a_redirect_takes_the_key_nowhere(request_, tmp_path):
    with serving(answer(GOOD)) as other:
        for code in (301, 302, 303, 307, 308):
            with serving(status(code, headers=[("Location", other.url + "/chat/completions")])) as server:
                choice = selector(server, tmp_path).select(request_)
            assert f"HTTP {code}: redirects are not followed" in choice.fallback and len(server.requests) == 1
        assert other.requests == []


def test_nobody_there(request_, tmp_path):
    with serving(answer(GOOD)) as server:
        pass
    choice = selector(server, tmp_path).select(request_)
    assert "connection failed: ConnectionRefusedError (attempt 3 of 3)" in choice.fallback


def test_retry_after_is_bounded():
    waits = Waits()
    with serving(status(429, headers=[("Retry-After", "86400")]), answer("1")) as server:
        assert ask(ChatConfig(base_url=server.url, model="m", longest_wait=5.0), "?", sleep=waits) == "1"
    assert waits == [5.0]


def test_a_status_line_of_rubbish():
    def rubbish(handler):
        handler.wfile.write(f"{KEY} is no status line\r\n\r\n".encode())

    with serving(rubbish) as server, pytest.raises(ChatError, match="BadStatusLine") as caught:
        ask(ChatConfig(base_url=server.url, model="m", attempts=1), "?")
    assert KEY not in str(caught.value) and caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize("bad", ["with space-0123", "line\nbreak-0123", "schlüssel-0123"])
def test_a_key_that_cannot_be_sent_is_not_shown(bad, monkeypatch):
    monkeypatch.setenv("SLEIGHT_LLM_KEY", bad)
    with serving(answer("1")) as server, pytest.raises(SleightError, match="characters that no key has") as caught:
        ask(ChatConfig(base_url=server.url, model="m"), "?")
    assert "0123" not in str(caught.value) and server.requests == []


def test_a_key_is_not_sent_in_the_clear_to_another_machine():
    with pytest.raises(SleightError, match="plain http to another machine") as caught:
        ask(ChatConfig(base_url="http://models.invalid/v1", model="m"), "?")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "ftp://host/v1"},
        {"base_url": "host/v1"},
        {"base_url": f"https://user:{KEY}@host/v1"},
        {"base_url": f"https://host/v1?key={KEY}"},
        {"base_url": "http://host:port/v1"},
        {"base_url": "http://host/v1\r\nX: y"},
        {"key_variable": KEY},
        {"model": ""},
    ],
)
def test_configurations_that_are_refused_show_no_key(wrong):
    with pytest.raises(ValidationError) as caught:
        ChatConfig(**({"base_url": "https://host/v1", "model": "m"} | wrong))
    assert KEY not in str(caught.value)


def test_kept_answers_that_are_damaged_are_asked_for_again(request_, tmp_path):
    cache = AnswerCache(tmp_path / "answers")
    prompt = prompt_of(request_)
    file = cache.file("model-1", prompt)
    file.parent.mkdir()
    entry = {"format": "sleight-mask-answer-1", "model": "model-1", "prompt": prompt, "answer": "3"}
    kept = [b"", b"{", b"[]", b"\xff", json.dumps(entry | {"answer": 3}).encode()]
    kept += [json.dumps(entry | change).encode() for change in ({"answer": "99"}, {"prompt": "other"}, {"model": "m"})]
    with serving(answer(GOOD)) as server:
        for count, content in enumerate(kept, 1):
            file.write_bytes(content)
            assert selector(server, tmp_path).select(request_).index == 7 and len(server.requests) == count
        file.write_text(json.dumps(entry))
        assert selector(server, tmp_path).select(request_).index == 3 and len(server.requests) == count
    assert cache.file("model-2", prompt) != file != cache.file("model-1", prompt + " ")


@settings(deadline=None)
@given(st.integers(0, 29), st.text(max_size=600), st.sampled_from(["{}", " {}\n", "```json\n{}\n```", "```\n{}\n```"]))
def test_good_answers_are_read(index, reason, frame):
    found, shown = read_answer(frame.format(json.dumps({"index": index, "reason": reason})), 30)
    assert found == index and len(shown) <= 400 and shown.isprintable()
    assert read_answer(frame.format(index), 30) == (index, "")


@settings(deadline=None)
@given(st.text(max_size=60), st.integers(1, 40))
def test_other_answers_are_refused_or_name_a_candidate(text, count):
    try:
        index, _ = read_answer(text, count)
    except AnswerError:
        return
    assert 0 <= index < count


def test_large_numbers_and_other_digits_are_no_index():
    for text in ("9" * 5000, "٣", "1e1", '{"index": 1e1}', '{"index": NaN}', "+1", "0x1"):
        with pytest.raises(AnswerError):
            read_answer(text, 30)
