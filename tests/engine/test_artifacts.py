"""Tarballs are unpacked into their own folder and nowhere else, by every Python."""

import io
import tarfile

import pytest

from dsl.engine.artifacts import ArtifactError, refuse_escapes


def tarball(name, kind=tarfile.REGTYPE, target=""):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        packed.addfile(member)
    stream.seek(0)
    return tarfile.open(fileobj=stream)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("../x", tarfile.REGTYPE, ""),
        ("a/../../x", tarfile.REGTYPE, ""),
        ("/etc/x", tarfile.REGTYPE, ""),
        ("a/l", tarfile.SYMTYPE, "../../x"),
        ("l", tarfile.SYMTYPE, "/etc"),
        ("h", tarfile.LNKTYPE, "../x"),
        ("d", tarfile.CHRTYPE, ""),
    ],
)
def test_a_member_that_leads_out_is_refused_by_name(name, kind, target):
    with tarball(name, kind, target) as packed, pytest.raises(ArtifactError, match=f"^{name} in the tarball"):
        refuse_escapes(packed)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [("a/b", tarfile.REGTYPE, ""), ("a/..b", tarfile.REGTYPE, ""), ("a/l", tarfile.SYMTYPE, "../b")],
)
def test_a_member_that_stays_inside_is_kept(name, kind, target):
    with tarball(name, kind, target) as packed:
        assert [member.name for member in refuse_escapes(packed)] == [name]
