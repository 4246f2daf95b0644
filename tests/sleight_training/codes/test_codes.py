"""Object codes: what the encoder promises, training that can be killed, clusters and the objects chosen of them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the training extra is not installed")

from sleight_core.errors import SleightError  # noqa: E402
from sleight_sim.objects import household_object  # noqa: E402
from sleight_sim.objects.splits import HouseholdSplit  # noqa: E402
from sleight_training.cli.train import DEFAULT_OBJECT, base_object  # noqa: E402
from sleight_training.codes.autoencoder import CHOICE, ENCODER, prepare_codes, train_codes  # noqa: E402
from sleight_training.codes.choose import COUNTS, choose_objects, chosen_object, cluster_objects  # noqa: E402
from sleight_training.codes.encoder import (  # noqa: E402
    encode_with,
    encoder_digest,
    object_codes,
    read_encoder,
    write_encoder,
)
from sleight_training.codes.network import PointNet, chamfer  # noqa: E402


def new_run(folder, **changes):
    arguments = {"objects": "household:all", "preset": "smoke", "seed": 0, "epochs": None, "resume": False}
    return prepare_codes(folder, **{**arguments, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codes")
    progress = train_codes(folder, new_run(folder))
    return folder, progress


def test_a_code_does_not_depend_on_the_order_of_the_points():
    torch.manual_seed(0)
    cloud = 0.1 * torch.randn(3, 100, 3)
    encoder = PointNet().eval()
    with torch.no_grad():
        codes = encoder(cloud)
        torch.testing.assert_close(encoder(cloud[:, torch.randperm(100)]), codes, atol=1e-6, rtol=0)
        assert codes.shape == (3, 64) and (codes[0] - codes[1]).abs().max() > 1e-4


def test_codes_are_standardised_and_constant_elements_stay_small():
    encoder = PointNet()
    raw = torch.randn(500, 64) * torch.linspace(0.5, 2.0, 64) + 3.0
    raw[:, 5] = 1.0 + 1e-6 * torch.randn(500)
    encoder.set_statistics(raw)
    codes = (raw - encoder.mean) / encoder.std
    assert codes.mean(dim=0).abs().max() < 1e-3
    varied = [i for i in range(64) if i != 5]
    torch.testing.assert_close(codes.std(dim=0)[varied], torch.ones(63), atol=0.01, rtol=0)
    assert codes[:, 5].abs().max() < 1e-3


def test_the_chamfer_distance_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 9, 3))
    pairs = np.square(a[:, :, None] - b[:, None]).sum(-1)
    expected = pairs.min(axis=2).mean() + pairs.min(axis=1).mean()
    assert float(chamfer(torch.tensor(a), torch.tensor(b))) == pytest.approx(expected)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(6, 30), st.integers(0, 1000))
def test_of_each_cluster_the_object_nearest_its_centre_is_chosen(k, n, seed):
    codes = np.random.default_rng(seed).normal(size=(n, 4))
    names = [f"object {i}" for i in range(n)]
    rows = cluster_objects(codes, names, k, seed)
    assert rows == cluster_objects(codes, names, k, seed), "the same seed, the same choice"
    assert sum(row["size"] for row in rows) == n
    assert len({row["object"] for row in rows}) == k and {row["object"] for row in rows} <= set(names)
    if k == 1:
        distance = np.linalg.norm(codes - codes.mean(axis=0), axis=1)
        assert rows[0]["object"] == names[int(distance.argmin())]
    with pytest.raises(SleightError, match="more clusters than objects"):
        cluster_objects(codes, names, n + 1)


def test_a_smoke_run_writes_an_encoder_and_a_choice(run):
    folder, progress = run
    assert progress.epoch == 3 and progress.error < 0.1
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    encoder = read_encoder(folder / ENCODER)
    choice = json.loads((folder / CHOICE).read_text())
    assert choice["encoder_sha256"] == encoder_digest(encoder) and choice["objects"] == "household:all"
    assert [len(choice["k"][str(k)]) for k in COUNTS] == list(COUNTS)
    name = chosen_object(3, 1, folder / CHOICE)
    assert name.startswith("household:") and name == choice["k"]["3"][1]["object"]


def test_a_killed_run_ends_as_an_uninterrupted_one(run, tmp_path):
    folder, _ = run

    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.epoch == 2:
            raise Killed

    config = new_run(tmp_path)
    with pytest.raises(Killed):
        train_codes(tmp_path, config, report=kill)
    assert not (tmp_path / ENCODER).exists()
    seen = []
    train_codes(tmp_path, new_run(tmp_path, resume=True), resume=True, report=lambda p: seen.append(p.epoch))
    assert seen == [3]
    whole, resumed = read_encoder(folder / ENCODER).state_dict(), read_encoder(tmp_path / ENCODER).state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, atol=1e-5, rtol=1e-4)


def test_objects_are_encoded_once_each_and_in_order(run):
    encode = encode_with(read_encoder(run[0] / ENCODER))
    box, can = household_object("box", 0), household_object("can", 0)
    seen = []

    def counted(clouds):
        seen.append(clouds.shape)
        return encode(clouds)

    codes = object_codes([can, box, can, can], counted)
    assert seen == [(2, 512, 3)] and codes.shape == (4, 64)
    assert (codes[0] == codes[2]).all() and (codes[0] != codes[1]).any()
    np.testing.assert_allclose(object_codes([box], encode)[0], codes[1], atol=1e-5)


def test_the_objects_chosen_for_the_paper_are_of_the_training_set():
    names = set(HouseholdSplit("train").names)
    for k in COUNTS:
        chosen = [chosen_object(k, index) for index in range(k)]
        assert len(set(chosen)) == k and set(chosen) <= names


def test_base_training_finds_its_object():
    assert base_object(None, None, None) == DEFAULT_OBJECT
    assert base_object("household:can:1", None, None) == "household:can:1"
    assert base_object(None, 4, 2) == chosen_object(4, 2)
    for wrong in (("household:can:1", 4, 2), (None, 4, None), (None, None, 2), (None, 7, 0), (None, 4, 4)):
        with pytest.raises(SleightError):
            base_object(*wrong)


def test_wrong_requests_and_damaged_files_are_refused(run, tmp_path):
    with pytest.raises(SleightError, match="cpu"):
        new_run(tmp_path / "a", preset="gpu")
    with pytest.raises(SleightError, match="household"):
        new_run(tmp_path / "b", objects="household:unicorn")
    assert not (tmp_path / "b").exists()
    with pytest.raises(SleightError, match="to resume"):
        new_run(tmp_path / "c", resume=True)
    with pytest.raises(SleightError, match="--resume"):
        new_run(run[0])
    with pytest.raises(SleightError, match="no such encoder"):
        read_encoder(tmp_path / "none.safetensors")
    with pytest.raises(SleightError, match="end it in"):
        write_encoder(tmp_path / "encoder.pt", PointNet(), "{}")
    whole = (run[0] / ENCODER).read_bytes()
    path = tmp_path / "damaged.safetensors"
    for content in (b"", whole[: len(whole) // 2], whole.replace(b'"codes"', b'"other"', 1), whole[:-4] + b"\xff" * 4):
        path.write_bytes(content)
        with pytest.raises(SleightError, match="encoder"):
            read_encoder(path)
    choice = tmp_path / "chosen.json"
    for text in ("", "[]", '{"k": {"1": [{}]}}', '{"k": {"one": []}}'):
        choice.write_text(text)
        with pytest.raises(SleightError, match="cannot be read"):
            chosen_object(1, 0, choice)
    few = choose_objects(np.eye(2), ["a", "b"])
    assert list(few["k"]) == ["1", "2"]
