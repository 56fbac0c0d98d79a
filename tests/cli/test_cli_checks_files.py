"""What `doctor` says of the files of a data directory."""

from pathlib import Path

from omniroute.cli.doctor import check_files


def test_only_what_is_secret_must_be_private(tmp_path: Path) -> None:
    certificates = tmp_path / "mitmproxy"
    certificates.mkdir()
    for name, mode in (("mitmproxy-ca-cert.pem", 0o644), ("mitmproxy-dhparam.pem", 0o644), ("mitmproxy-ca.pem", 0o600)):
        (certificates / name).touch()
        (certificates / name).chmod(mode)
    assert check_files(tmp_path).verdict == "ok"
    (certificates / "mitmproxy-ca.pem").chmod(0o644)
    failed = check_files(tmp_path)
    assert failed.verdict == "fail"
    assert "mitmproxy-ca.pem" in failed.found
