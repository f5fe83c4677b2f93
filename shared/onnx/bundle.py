"""A bundle is a folder: `manifest.json`, signed, and exactly the files it lists.

Writing makes the folder in one step; opening checks the signature, every digest and that nothing else lies there.
What is read later is checked again, so a file changed after the check is noticed too.
"""

import base64
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import JSON
from shared.onnx.errors import BundleAltered, BundleMalformed, BundleTooLarge, BundleUnsigned
from shared.onnx.json_fields import Fields, canonical_bytes, parse_object
from shared.onnx.manifest import MANIFEST_NAME, FileEntry, Manifest, check_path
from shared.onnx.signing import SigningKey, TrustStore

MAX_MANIFEST_BYTES = 4 * 1024 * 1024

_ALGORITHM = "ed25519"
# Signed in front of the manifest, so that a signature made for anything else can never pass for a bundle's.
_SIGNATURE_CONTEXT = b"futago bundle manifest v1\n"
_HASH_CHUNK_BYTES = 1 << 20
# A tensor kept outside the graph is a StringStringEntryProto with the key "location"; protobuf may pad the varints of
# tag and length, so those forms count too. Without this entry there is no external data (onnx.proto, TensorProto).
_EXTERNAL_DATA = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location")
# A search holds up every other thread until it ends: a graph of 50 MB in one piece would stop a server for 0.15 s.
_SEARCH_CHUNK_BYTES = 1 << 18
# More than the longest entry: a varint has at most ten bytes.
_LONGEST_ENTRY_BYTES = 64


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """What was written.

    Parameters
    ----------
    folder
        The bundle.
    digest
        SHA-256 of the canonical manifest, in hex; it fixes every byte of every file.
    key_id
        The key that signed.
    """

    folder: Path
    digest: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose signature and files were checked."""

    folder: Path
    manifest: Manifest
    digest: str
    key_id: str

    @property
    def size_bytes(self) -> int:
        """Size of all files but the manifest [bytes]."""
        return sum(entry.size_bytes for entry in self.manifest.files.values())

    def read(self, path: str) -> bytes:
        """Content of one listed file, checked once more.

        Raises
        ------
        BundleMalformed
            If the manifest lists no such file.
        BundleAltered
            If the file is not what was signed.
        """
        entry = self.manifest.files.get(path)
        if entry is None:
            raise BundleMalformed(f"the bundle has no file {path!r}", path=path)
        data = _read_plain_file(self.folder / path, entry.size_bytes)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise BundleAltered(f"{path!r} is not the file that was signed", path=path)
        return data


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes], key: SigningKey) -> BundleInfo:
    """Write and sign a bundle; the folder appears complete or not at all.

    Parameters
    ----------
    folder
        Where the bundle goes. An earlier bundle there is replaced; a folder that holds anything else is left alone.
    manifest
        Without files: digests and sizes are filled in here.
    files
        Content by relative path.
    key
        Signs the manifest.

    Raises
    ------
    BundleMalformed
        If a path is unsafe, a graph is missing or keeps weights outside itself, or the folder holds something else.
    """
    for path, data in files.items():
        check_path(path)
        _check_graph_file(path, data)
    complete = manifest.with_files(
        {path: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for path, data in sorted(files.items())}
    )
    _check_graph_is_listed(complete)
    signed = canonical_bytes(complete.to_json())
    document = canonical_bytes({**complete.to_json(), "signature": _signature_json(key, signed)})
    if len(document) > MAX_MANIFEST_BYTES:
        raise BundleTooLarge("the manifest is too large", limit_bytes=MAX_MANIFEST_BYTES)
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".bundle-"))
    try:
        for path, data in {**files, MANIFEST_NAME: document}.items():
            target = staging / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        staging.chmod(0o755)
        _replace_folder(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return BundleInfo(folder=folder, digest=hashlib.sha256(signed).hexdigest(), key_id=key.key_id)


def check_replaceable(folder: Path) -> None:
    """Refuse a place where no bundle can be written: only an earlier bundle or an empty folder gives way.

    Raises
    ------
    BundleMalformed
        If there is anything else.
    """
    if folder.exists() and not folder.is_dir():
        raise BundleMalformed(f"{folder} is a file; a bundle is a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST_NAME).is_file():
        raise BundleMalformed(f"{folder} holds something that is not a bundle; it was left alone")


def open_bundle(folder: Path, trust: TrustStore) -> Bundle:
    """Check a bundle completely and return it.

    Raises
    ------
    BundleUnsigned, BundleUntrustedKey
        If nobody signed it, or a key that is not trusted here.
    BundleAltered
        If the manifest or a file is not what was signed.
    BundleMalformed
        If it is not built as a bundle must be: files missing or too many, links, weights outside the graph.
    """
    data = _read_plain_file(folder / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    document = dict(parse_object(data))
    if document.get("signature") is None:
        raise BundleUnsigned("the bundle is not signed")
    signature = Fields({"signature": document.pop("signature")}, "manifest").item("signature", _Signature.of)
    signed = canonical_bytes(document)
    trust.verify(signature.key_id, _SIGNATURE_CONTEXT + signed, signature.value)
    if data != canonical_bytes({**document, "signature": signature.to_json()}):
        raise BundleAltered("manifest.json is not in the form in which it was signed")
    manifest = Manifest.from_json(document)
    _check_graph_is_listed(manifest)
    _check_listing(folder, manifest)
    bundle = Bundle(folder, manifest, hashlib.sha256(signed).hexdigest(), signature.key_id)
    for path, entry in manifest.files.items():
        if path.endswith(".onnx"):
            _check_graph_file(path, bundle.read(path))
        elif _digest_of_file(folder / path, entry.size_bytes) != entry.sha256:
            raise BundleAltered(f"{path!r} is not the file that was signed", path=path)
    return bundle


@dataclass(frozen=True, slots=True)
class _Signature:
    key_id: str
    value: bytes

    @classmethod
    def of(cls, fields: Fields) -> "_Signature":
        if fields.text("algorithm") != _ALGORITHM:
            raise BundleMalformed(f"a bundle is signed with {_ALGORITHM}")
        try:
            value = base64.b64decode(fields.text("value"), validate=True)
        except ValueError as error:
            raise BundleMalformed("the signature is not base64") from error
        return cls(fields.text("key_id"), value)

    def to_json(self) -> dict[str, JSON]:
        return {"algorithm": _ALGORITHM, "key_id": self.key_id, "value": base64.b64encode(self.value).decode("ascii")}


def _signature_json(key: SigningKey, signed: bytes) -> dict[str, JSON]:
    return _Signature(key.key_id, key.sign(_SIGNATURE_CONTEXT + signed)).to_json()


def _check_graph_is_listed(manifest: Manifest) -> None:
    if manifest.graph is not None and manifest.graph.file not in manifest.files:
        raise BundleMalformed(f"the graph {manifest.graph.file!r} is not among the files", path=manifest.graph.file)


def _check_graph_file(path: str, data: bytes) -> None:
    if path.endswith(".onnx") and _names_external_data(data):
        raise BundleMalformed(
            f"{path!r} keeps weights outside the graph; a bundle's graph holds all of them", path=path
        )


def _names_external_data(graph: bytes) -> bool:
    starts = range(0, len(graph), _SEARCH_CHUNK_BYTES)
    return any(_EXTERNAL_DATA.search(graph, at, at + _SEARCH_CHUNK_BYTES + _LONGEST_ENTRY_BYTES) for at in starts)


def _check_listing(folder: Path, manifest: Manifest) -> None:
    """Exactly the listed files, all of them plain files in plain folders."""
    wanted_folders = {str(parent) for path in manifest.files for parent in Path(path).parents} | {"."}
    found: set[str] = set()
    for root, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode) and relative in wanted_folders:
                continue
            if not stat.S_ISREG(mode):
                raise BundleMalformed(f"{relative!r} is not a plain file", path=relative)
            found.add(relative)
    wanted = {*manifest.files, MANIFEST_NAME}
    if extra := sorted(found - wanted):
        raise BundleMalformed(f"the bundle holds files that are not listed: {', '.join(extra)}", path=extra[0])
    if missing := sorted(wanted - found):
        raise BundleMalformed(f"the bundle lacks files that are listed: {', '.join(missing)}", path=missing[0])


def _read_plain_file(path: Path, limit_bytes: int) -> bytes:
    """Read a file of at most this size, without following a link in its last part."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise BundleMalformed(f"{path.name} cannot be read: {error.strerror}", path=path.name) from error
    with os.fdopen(handle, "rb") as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise BundleAltered(f"{path.name} is larger than stated", path=path.name)
    return data


def _digest_of_file(path: Path, size_bytes: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
            if file.tell() > size_bytes:
                raise BundleAltered(f"{path.name!r} is larger than stated", path=path.name)
    return digest.hexdigest()


def _replace_folder(staging: Path, folder: Path) -> None:
    """Put the finished folder in place of an earlier bundle or an empty folder."""
    if folder.is_dir() and any(folder.iterdir()):
        former = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".former-"))
        folder.rename(former / folder.name)
        staging.rename(folder)
        shutil.rmtree(former)
    else:
        staging.rename(folder)
