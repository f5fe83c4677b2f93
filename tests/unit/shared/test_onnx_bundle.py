"""Bundles: what is written can be opened, what was changed cannot; keys rotate; archives are bounded."""

import base64
import json
import multiprocessing
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from shared.onnx.archive import UnpackLimits, pack, unpack
from shared.onnx.bundle import open_bundle, write_bundle
from shared.onnx.errors import BundleAltered, BundleMalformed, BundleTooLarge, BundleUnsigned, BundleUntrustedKey
from shared.onnx.manifest import BundleKind, Feature, Graph, Manifest, Target, Tensor
from shared.onnx.manifest import ElementType as T
from shared.onnx.signing import KeyUnusable, SigningKey, TrustStore

FILES = {"model.onnx": b"graph", "arrays/calibration.npz": b"scores"}
MANIFEST = Manifest(
    kind=BundleKind.REGRESSOR,
    name="power",
    version="1",
    created_at="2026-04-01T00:00:00Z",
    features=(Feature("AT"),),
    graph=Graph("model.onnx", Tensor("rows", T.FLOAT64, (None, 1)), (Tensor("prediction", T.FLOAT64, (None,)),)),
    target=Target("PE"),
)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "keys" / "signing.pem")


@pytest.fixture
def trust(tmp_path: Path, key: SigningKey) -> TrustStore:
    store = TrustStore(tmp_path / "trust")
    store.enrol(key.public_pem())
    return store


@pytest.fixture
def folder(tmp_path: Path, key: SigningKey) -> Path:
    return write_bundle(tmp_path / "bundle", MANIFEST, FILES, key).folder


def test_a_bundle_opens_as_it_was_written(tmp_path: Path, key: SigningKey, trust: TrustStore):
    info = write_bundle(tmp_path / "bundle", MANIFEST, FILES, key)
    bundle = open_bundle(info.folder, trust)
    assert (bundle.digest, bundle.key_id) == (info.digest, key.key_id)
    assert {path: bundle.read(path) for path in bundle.manifest.files} == FILES
    assert bundle.size_bytes == len(b"graph") + len(b"scores")


def test_the_digest_is_that_of_the_content_whoever_signs_it(tmp_path: Path, key: SigningKey):
    other = SigningKey.load_or_create(tmp_path / "other.pem")
    first = write_bundle(tmp_path / "a", MANIFEST, FILES, key)
    second = write_bundle(tmp_path / "b", MANIFEST, FILES, other)
    third = write_bundle(tmp_path / "c", MANIFEST, {**FILES, "model.onnx": b"other"}, key)
    assert first.digest == second.digest != third.digest


@pytest.mark.parametrize("path", ["model.onnx", "arrays/calibration.npz", "manifest.json"])
def test_one_changed_byte_anywhere_is_refused(folder: Path, trust: TrustStore, path: str):
    original = (folder / path).read_bytes()
    for position in range(0, len(original), max(1, len(original) // 50)):
        changed = bytearray(original)
        changed[position] ^= 1
        (folder / path).write_bytes(bytes(changed))
        with pytest.raises((BundleAltered, BundleMalformed, BundleUnsigned, BundleUntrustedKey)):
            open_bundle(folder, trust)


def test_spaces_added_to_the_manifest_are_refused(folder: Path, trust: TrustStore):
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(BundleAltered):
        open_bundle(folder, trust)


def test_a_manifest_without_signature_is_refused(folder: Path, trust: TrustStore):
    document = json.loads((folder / "manifest.json").read_bytes())
    del document["signature"]
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(BundleUnsigned):
        open_bundle(folder, trust)


@pytest.mark.parametrize(
    "signature",
    [
        "x",
        {},
        {"algorithm": "none", "key_id": "k", "value": ""},
        {"algorithm": "ed25519", "key_id": "k", "value": "not base64!"},
        {"algorithm": "ed25519", "key_id": "k", "value": "é"},
        {"algorithm": "ed25519", "key_id": "k", "value": "", "extra": 1},
    ],
)
def test_a_signature_of_another_form_is_refused(folder: Path, trust: TrustStore, signature: object):
    document = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({**document, "signature": signature}))
    with pytest.raises(BundleMalformed):
        open_bundle(folder, trust)


def test_a_stray_or_vanished_file_among_the_trusted_keys_takes_no_bundle_down(
    tmp_path: Path, folder: Path, trust: TrustStore, key: SigningKey
):
    (tmp_path / "trust" / "notes.pem").write_text("no key at all")
    (tmp_path / "trust" / "gone.pem").symlink_to(tmp_path / "nowhere")
    assert open_bundle(folder, trust).key_id == key.key_id
    assert trust.key_ids() == (key.key_id,)


def test_a_bundle_signed_by_a_foreign_key_is_refused(tmp_path: Path, trust: TrustStore):
    foreign = SigningKey.load_or_create(tmp_path / "foreign.pem")
    info = write_bundle(tmp_path / "bundle", MANIFEST, FILES, foreign)
    with pytest.raises(BundleUntrustedKey) as refusal:
        open_bundle(info.folder, trust)
    assert refusal.value.facts == {"key_id": foreign.key_id}


def test_a_key_withdrawn_from_the_folder_is_trusted_no_longer_and_the_next_one_is(
    tmp_path: Path, trust: TrustStore, folder: Path, key: SigningKey
):
    successor = SigningKey.load_or_create(tmp_path / "successor.pem")
    trust.enrol(successor.public_pem())
    assert trust.key_ids() == tuple(sorted((key.key_id, successor.key_id)))
    open_bundle(folder, trust)
    (tmp_path / "trust" / f"{key.key_id}.pem").unlink()
    with pytest.raises(BundleUntrustedKey):
        open_bundle(folder, trust)
    open_bundle(write_bundle(tmp_path / "next", MANIFEST, FILES, successor).folder, trust)


def test_a_file_that_is_not_listed_is_refused(folder: Path, trust: TrustStore):
    (folder / "arrays" / "extra.bin").write_bytes(b"")
    with pytest.raises(BundleMalformed, match=r"arrays/extra\.bin"):
        open_bundle(folder, trust)


def test_a_folder_that_is_not_listed_is_refused(folder: Path, trust: TrustStore):
    (folder / "spare").mkdir()
    with pytest.raises(BundleMalformed, match="spare"):
        open_bundle(folder, trust)


def test_a_listed_file_that_is_missing_is_refused(folder: Path, trust: TrustStore):
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleMalformed, match=r"model\.onnx"):
        open_bundle(folder, trust)


@pytest.mark.parametrize("path", ["model.onnx", "manifest.json"])
def test_a_link_in_place_of_a_file_is_refused(tmp_path: Path, folder: Path, trust: TrustStore, path: str):
    outside = (folder / path).rename(tmp_path / "outside")
    (folder / path).symlink_to(outside)
    with pytest.raises(BundleMalformed):
        open_bundle(folder, trust)


def test_a_file_changed_after_the_bundle_was_opened_is_noticed(folder: Path, trust: TrustStore):
    bundle = open_bundle(folder, trust)
    (folder / "model.onnx").write_bytes(b"Graph")
    with pytest.raises(BundleAltered):
        bundle.read("model.onnx")


@pytest.mark.parametrize("entry", [b"\x0a\x08location", b"\x8a\x00\x08location", b"\x0a\x88\x80\x00location"])
def test_a_graph_with_weights_in_another_file_is_refused(tmp_path: Path, key: SigningKey, entry: bytes):
    with pytest.raises(BundleMalformed, match="outside the graph"):
        write_bundle(tmp_path / "bundle", MANIFEST, {"model.onnx": b"\x12" + entry + b"\x12"}, key)


@pytest.mark.parametrize("before", range((1 << 18) - 12, (1 << 18) + 2))
def test_weights_in_another_file_are_noticed_wherever_they_are_named(tmp_path: Path, key: SigningKey, before: int):
    with pytest.raises(BundleMalformed, match="outside the graph"):
        write_bundle(tmp_path / "bundle", MANIFEST, {"model.onnx": b"\x12" * before + b"\x0a\x08location"}, key)


def test_the_word_location_alone_is_no_external_weight(tmp_path: Path, key: SigningKey, trust: TrustStore):
    info = write_bundle(tmp_path / "bundle", MANIFEST, {"model.onnx": b"a sensor location"}, key)
    assert open_bundle(info.folder, trust).read("model.onnx") == b"a sensor location"


def test_a_graph_that_is_not_among_the_files_is_refused(tmp_path: Path, key: SigningKey):
    with pytest.raises(BundleMalformed, match="not among the files"):
        write_bundle(tmp_path / "bundle", MANIFEST, {"other.onnx": b""}, key)


def test_writing_replaces_an_earlier_bundle_and_nothing_else(tmp_path: Path, key: SigningKey, trust: TrustStore):
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_bundle(folder, MANIFEST, FILES, key)
    write_bundle(folder, MANIFEST, {"model.onnx": b"new"}, key)
    assert open_bundle(folder, trust).read("model.onnx") == b"new"
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleMalformed, match="left alone"):
        write_bundle(papers, MANIFEST, FILES, key)
    assert (papers / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "keys", "papers", "trust"]


@pytest.mark.parametrize(
    "content", ["300f300506032a03040306000102030405", "3019301306072a8648ce3d020106082a8648ce3d03017f03020004"]
)
def test_a_key_of_a_kind_that_nobody_knows_is_refused_by_name_and_takes_no_bundle_down(
    tmp_path: Path, folder: Path, trust: TrustStore, content: str
):
    body = base64.b64encode(bytes.fromhex(content))
    pem = b"-----BEGIN PUBLIC KEY-----\n" + body + b"\n-----END PUBLIC KEY-----\n"
    with pytest.raises(KeyUnusable):
        trust.enrol(pem)
    (tmp_path / "trust" / "0.pem").write_bytes(pem)
    open_bundle(folder, trust)


def test_a_signing_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path):
    path = tmp_path / "deep" / "signing.pem"
    first = SigningKey.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load_or_create(path).key_id == first.key_id
    assert len(first.key_id) == 16


def _key_id_of(path: Path) -> str:
    return SigningKey.load_or_create(path).key_id


def test_processes_that_make_the_key_at_the_same_moment_end_with_the_same_key(tmp_path: Path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        key_ids = pool.map(_key_id_of, [tmp_path / "signing.pem"] * 4)
    assert len(set(key_ids)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["signing.pem"]


def test_a_file_that_holds_another_kind_of_key_is_refused(tmp_path: Path):
    elliptic = generate_private_key(SECP256R1())
    path = tmp_path / "signing.pem"
    path.write_bytes(
        elliptic.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    public_pem = elliptic.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(KeyUnusable):
        SigningKey.load_or_create(path)
    with pytest.raises(KeyUnusable):
        TrustStore(tmp_path / "trust").enrol(public_pem)
    path.write_text("no key at all")
    with pytest.raises(KeyUnusable):
        SigningKey.load_or_create(path)


def test_a_packed_bundle_unpacks_to_the_same_bundle(tmp_path: Path, folder: Path, trust: TrustStore):
    archive = pack(folder, tmp_path / "bundle.zip")
    assert open_bundle(unpack(archive, tmp_path / "again"), trust).digest == open_bundle(folder, trust).digest


def test_equal_bundles_pack_to_equal_bytes(tmp_path: Path, folder: Path):
    first = pack(folder, tmp_path / "1.zip").read_bytes()
    os.utime(folder / "model.onnx", (0, 0))
    assert pack(folder, tmp_path / "2.zip").read_bytes() == first


def zip_of(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/cron.d/evil", "a/../../evil", "C:\\evil", ".ssh/key", "a\\..\\evil", "bundle/manifest.json"],
)
def test_a_path_that_leaves_the_folder_is_refused_and_nothing_is_left(tmp_path: Path, name: str):
    archive = zip_of(tmp_path / "evil.zip", {name: b"x", **({} if "manifest" in name else {"manifest.json": b"{}"})})
    with pytest.raises(BundleMalformed):
        unpack(archive, tmp_path / "into")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.zip"]


def test_a_link_in_an_archive_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("manifest.json", b"{}")
        link = zipfile.ZipInfo("model.onnx")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BundleMalformed, match="plain file"):
        unpack(tmp_path / "evil.zip", tmp_path / "into")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    archive = zip_of(tmp_path / "bomb.zip", {"manifest.json": b"{}", "model.onnx": bytes(8 * 1024 * 1024)})
    with pytest.raises(BundleTooLarge, match="tightly"):
        unpack(archive, tmp_path / "into")


@pytest.mark.parametrize(
    "limits", [UnpackLimits(entries=2), UnpackLimits(total_bytes=10)], ids=["entries", "total_bytes"]
)
def test_an_archive_over_a_limit_is_refused(tmp_path: Path, folder: Path, limits: UnpackLimits):
    with pytest.raises(BundleTooLarge):
        unpack(pack(folder, tmp_path / "bundle.zip"), tmp_path / "into", limits)


def test_a_size_stated_too_small_is_refused(tmp_path: Path):
    archive = zip_of(tmp_path / "liar.zip", {"manifest.json": b"{}", "model.onnx": b"x" * 1000})
    data = archive.read_bytes().replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(data)
    with pytest.raises(BundleMalformed):
        unpack(archive, tmp_path / "into")


def test_an_archive_whose_directory_alone_would_fill_the_memory_is_refused_unread(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(25_000):
            archive.writestr(str(number), b"")
    with pytest.raises(BundleTooLarge, match="directory"):
        unpack(tmp_path / "many.zip", tmp_path / "into")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("manifest.json/a",)])
def test_a_path_that_is_both_a_file_and_a_folder_is_refused(tmp_path: Path, names: tuple[str, ...]):
    archive = zip_of(tmp_path / "both.zip", {"manifest.json": b"{}", **dict.fromkeys(names, b"x")})
    with pytest.raises(BundleMalformed, match="both a file and a folder"):
        unpack(archive, tmp_path / "into")


def test_a_damaged_archive_is_refused_by_name_whatever_byte_was_hit(tmp_path: Path, key: SigningKey, trust: TrustStore):
    files = {**FILES, "model.onnx": bytes(range(256)) * 4}
    whole = pack(write_bundle(tmp_path / "bundle", MANIFEST, files, key).folder, tmp_path / "whole.zip").read_bytes()
    archive = tmp_path / "damaged.zip"
    intact = 0
    for position in range(0, len(whole), 7):
        archive.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            open_bundle(unpack(archive, tmp_path / "into"), trust)
            intact += 1
        except (BundleMalformed, BundleTooLarge):
            pass
        shutil.rmtree(tmp_path / "into", ignore_errors=True)
    # Times, versions and attributes of a zip carry nothing that the bundle reads.
    assert intact < len(whole) // 14


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 100])
def test_a_file_that_is_no_zip_is_refused(tmp_path: Path, data: bytes):
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(BundleMalformed):
        unpack(tmp_path / "x.zip", tmp_path / "into")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_archive_with_one_path_twice_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("manifest.json", b"{}")
        archive.writestr("manifest.json", b"{ }")
    with pytest.raises(BundleMalformed, match="twice"):
        unpack(tmp_path / "twice.zip", tmp_path / "into")
