"""Downloads with checksums, and unsafe archives."""

import functools
import hashlib
import http.server
import io
import random
import tarfile
import threading
import zipfile

import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.corpus.archives import read_members
from bias_amplification.corpus.download import download

CONTENT = b"some articles" * 100
#: A size limit, in bytes, that none of these archives exceeds.
LIMIT = 2**20


@pytest.fixture
def server(tmp_path):
    """A web server for a folder: its address and the folder. Files named cut.zip are sent incompletely."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            if self.path.endswith("cut.zip"):
                self.send_response(200)
                self.send_header("Content-Length", "5000")
                self.end_headers()
                self.wfile.write(b"half")
            else:
                super().do_GET()

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as service:
        thread = threading.Thread(target=service.serve_forever, args=[0.02])
        thread.start()
        yield f"http://127.0.0.1:{service.server_port}", folder
        service.shutdown()
        thread.join()


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_file_is_downloaded_once_and_checked(server, tmp_path, algorithm):
    address, folder = server
    (folder / "corpus.zip").write_bytes(CONTENT)
    checksum = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"

    path = download(f"{address}/corpus.zip", tmp_path / "downloads", checksum)
    (folder / "corpus.zip").unlink()
    again = download(f"{address}/corpus.zip", tmp_path / "downloads", checksum)

    assert path.read_bytes() == CONTENT
    assert again == path


def test_damaged_copy_is_downloaded_again(tmp_path):
    source = tmp_path / "corpus.zip"
    source.write_bytes(CONTENT)
    checksum = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    path = download(source.as_uri(), tmp_path / "downloads", checksum)
    path.write_bytes(b"damaged")

    assert download(source.as_uri(), tmp_path / "downloads", checksum).read_bytes() == CONTENT


def test_wrong_checksum_leaves_no_file(tmp_path):
    source = tmp_path / "corpus.zip"
    source.write_bytes(CONTENT)

    with pytest.raises(StudyError, match=r"has the md5 checksum .*, but corpus.checksum says 0{32}: check"):
        download(source.as_uri(), tmp_path / "downloads", "md5:" + "0" * 32)

    assert list((tmp_path / "downloads").iterdir()) == []


def test_failed_download_suggests_a_local_copy_and_leaves_no_file(server, tmp_path):
    address, _ = server

    for name in ("absent.zip", "cut.zip"):
        with pytest.raises(StudyError, match=rf"{name} could not be downloaded .* set corpus.path to the copy"):
            download(f"{address}/{name}", tmp_path / "downloads", None)

    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "checksum", "message"),
    [
        ("ftp://example.org/a.zip", None, "corpus.url 'ftp://example.org/a.zip' is not an https address"),
        ("https://example.org/", None, "is not an https address of a file"),
        ("https://example.org/a.zip", "abc", "corpus.checksum 'abc' is not of the form"),
        ("https://example.org/a.zip", "md5:xyz", "corpus.checksum 'md5:xyz' is not of the form"),
    ],
)
def test_malformed_url_and_checksum_are_errors(tmp_path, url, checksum, message):
    with pytest.raises(StudyError, match=message):
        download(url, tmp_path, checksum)


def make_tar(path, info, content=b""):
    info.size = len(content)
    with tarfile.open(path, "w") as archive:
        archive.addfile(info, io.BytesIO(content))


def everything(name):
    return True


def test_only_wanted_members_are_read_in_order_of_their_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("b.json", "a.json", "c.txt", "../out.txt"):
            archive.writestr(name, name.upper())

    members = list(read_members(tmp_path / "a.zip", lambda name: name.endswith(".json"), LIMIT))

    assert members == [("a.json", b"A.JSON"), ("b.json", b"B.JSON")]


@pytest.mark.parametrize("name", ["../out.json", "/etc/out.json", "a/../../out.json", "C:/out.json"])
def test_paths_outside_the_archive_are_errors(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "x")
    make_tar(tmp_path / "a.tar", tarfile.TarInfo(name), b"x")

    for archive in ("a.zip", "a.tar"):
        with pytest.raises(StudyError, match="points outside the archive"):
            list(read_members(tmp_path / archive, everything, LIMIT))


def test_links_and_devices_are_errors(tmp_path):
    link = zipfile.ZipInfo("link.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        info = tarfile.TarInfo("link.json")
        info.type, info.linkname = kind, "/etc/passwd"
        make_tar(tmp_path / f"{kind.decode()}.tar", info)

    archives = [*sorted(tmp_path.glob("*.tar")), tmp_path / "a.zip"]
    assert len(archives) == 5
    for archive in archives:
        with pytest.raises(StudyError, match="is a link or device"):
            list(read_members(archive, everything, LIMIT))


def test_members_above_the_size_limit_are_errors(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b"0" * 600)
        archive.writestr("b.json", b"0" * 600)

    with pytest.raises(StudyError, match=r"with a.json, the members unpack to more than"):
        list(read_members(tmp_path / "a.zip", everything, 500))
    with pytest.raises(StudyError, match=r"with b.json, the members unpack to more than"):
        list(read_members(tmp_path / "a.zip", everything, 1000))
    assert len(list(read_members(tmp_path / "a.zip", everything, 1200))) == 2


@pytest.mark.parametrize("packed", ["", "gz", "xz"])
def test_a_cut_or_changed_tar_archive_is_an_error(tmp_path, packed):
    generator = random.Random(1)
    path = tmp_path / "a.tar"
    with tarfile.open(path, f"w:{packed}") as archive:
        for number in range(40):
            content = generator.randbytes(700)
            info = tarfile.TarInfo(f"{number:02}.json")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    whole = path.read_bytes()
    assert len(list(read_members(path, lambda name: True, 10**6))) == 40

    half = len(whole) // 1024 * 512
    changed = bytearray(whole)
    # In a plain archive, a byte of a header; bytes of a member have no checksum there.
    changed[20 * 1536 + 100 if not packed else half] ^= 0xFF
    for damaged in (whole[:half], whole[: half + 100], bytes(changed)):
        path.write_bytes(damaged)
        with pytest.raises(StudyError, match=r"a.tar is damaged or encrypted"):
            list(read_members(path, lambda name: True, 10**6))


def test_damaged_archive_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.json", b"some text that is stored")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[40:44] = b"XXXX"
    (tmp_path / "a.zip").write_bytes(content)

    with pytest.raises(StudyError, match=r"a.zip is damaged or encrypted"):
        list(read_members(tmp_path / "a.zip", everything, LIMIT))
