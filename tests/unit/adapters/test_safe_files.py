"""Files are written whole or not at all, those behind links too."""

import os

import pytest

from rnn_lockstep.adapters.safe_files import replacing, write


@pytest.fixture
def linked(tmp_path):
    """A link in one folder, by way of another link, to a file in a second folder."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "there" / "file").write_bytes(b"old")
    (tmp_path / "there" / "link").symlink_to("file")
    (tmp_path / "here" / "link.json").symlink_to("../there/link")
    return tmp_path


def left(folder):
    """The names in both folders."""
    return sorted(os.listdir(folder / "here")), sorted(os.listdir(folder / "there"))


def test_the_file_behind_links_is_written_and_the_links_stay(linked):
    link = linked / "here" / "link.json"
    write(link, b"new")
    assert link.is_symlink()
    assert link.read_bytes() == (linked / "there" / "file").read_bytes() == b"new"
    assert left(linked) == (["link.json"], ["file", "link"])


def test_what_fails_leaves_links_and_file_as_they_were(linked):
    def write_half():
        with replacing(linked / "here" / "link.json") as new:
            assert new.name == "link.json"
            new.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert (linked / "here" / "link.json").read_bytes() == b"old"
    assert left(linked) == (["link.json"], ["file", "link"])


def test_a_link_to_a_file_that_is_not_there_makes_it(linked):
    (linked / "there" / "file").unlink()
    write(linked / "here" / "link.json", b"new")
    assert (linked / "there" / "file").read_bytes() == b"new"
    assert (linked / "here" / "link.json").is_symlink()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("../nowhere/file", r"it is a link to .*/nowhere/file, whose folder does not exist"),
        ("loop", "Too many levels of symbolic links"),
        ("../there", "it is no regular file"),
        ("/dev/null", "it is no regular file"),
        ("../there/file/below", "Not a directory"),
    ],
)
def test_a_link_to_nothing_that_can_be_written_is_told(target, message, linked):
    link = linked / "here" / "loop"
    link.symlink_to(target)
    with pytest.raises(OSError, match=message):
        write(link, b"new")
    assert os.readlink(link) == target
    assert left(linked) == (["link.json", "loop"], ["file", "link"])


def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("x" * 255)
    write(path, b"new")
    assert path.read_bytes() == b"new"
    with pytest.raises(OSError, match="File name too long"):
        write(tmp_path / ("x" * 256), b"new")
    assert os.listdir(tmp_path) == [path.name]
