"""Certificates: what the authority may vouch for, when another certificate is made, and what is refused."""

from __future__ import annotations

import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import ifaddr
import pytest
from cryptography import x509

from livefuse.cli.app import run_command
from livefuse.daemon_config import ServeConfig
from livefuse.errors import BadValue, DaemonError
from livefuse.tls.authority import authority_file, find_authority, forget_authority, kept_authority
from livefuse.tls.leaf import LIFE, RENEW, find_leaf
from livefuse.tls.names import LOCAL_DOMAINS, PRIVATE, Names, machine_names, may_be_top_level, within
from livefuse.tls.serving import Tls, fingerprint, make_tls, tls_folder
from livefuse.tls.trust import ways

NAMES = Names.of(
    ["localhost", "studio.local", "cam.example"], map(ip_address, ("127.0.0.1", "10.0.0.5", "203.0.113.9"))
)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
posix = pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")


def leaf_of(folder: Path, names: Names = NAMES, now: datetime = NOW) -> x509.Certificate:
    file, _ = find_leaf(folder, find_authority(folder, NAMES, NOW), names, now)
    return x509.load_pem_x509_certificate(file.read_bytes())


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """In memory. Raises: ssl.SSLCertVerificationError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(8):
        for side in (here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert here.version() in ("TLSv1.2", "TLSv1.3")


def trusting(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem.decode())
    return context


# --- names


def test_a_machine_is_called_by_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = ifaddr.Adapter(
        "eth0", "eth0", [ifaddr.IP("10.1.2.3", 24, "eth0"), ifaddr.IP(("fe80::1", 0, 2), 64, "eth0")]
    )
    monkeypatch.setattr("ifaddr.get_adapters", lambda: [adapter])
    monkeypatch.setattr("socket.gethostname", lambda: "Studio.Example.ORG")
    found = machine_names(["nas.lan:8443", "[2001:db8::1]:80", "not a host", ""])
    assert found.hosts == ("localhost", "nas.lan", "studio.example.org", "studio.local")
    assert list(map(str, found.addresses)) == ["10.1.2.3", "127.0.0.1", "::1", "2001:db8::1"]


def test_a_bare_name_that_could_be_a_domain_of_the_internet_is_not_vouched_for() -> None:
    assert [name for name in ("dev", "vm-1", "pc7", "xn--p1ai", "a.dev") if may_be_top_level(name)] == [
        "dev",
        "xn--p1ai",
    ]


def test_constraints_permit_domains_with_what_is_below_and_whole_networks() -> None:
    inside, outside = within(NAMES, ("localhost", "local"), (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")))
    assert inside.hosts == ("localhost", "studio.local")
    assert outside.hosts == ("cam.example",)
    assert list(map(str, outside.addresses)) == ["203.0.113.9"]
    assert within(Names.of(["notlocal"], []), ("local",), ())[0].hosts == ()


# --- the authority


@posix
def test_the_authority_is_made_once_and_its_key_is_for_its_user_alone(tmp_path: Path) -> None:
    first = find_authority(tmp_path / "tls", NAMES, NOW)
    assert find_authority(tmp_path / "tls", NAMES, NOW).certificate == first.certificate
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    key = tmp_path / "tls" / "ca.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    find_authority(tmp_path / "tls", NAMES, NOW)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"PRIVATE" not in authority_file(tmp_path / "tls").read_bytes()


def test_the_authority_can_vouch_for_little(tmp_path: Path) -> None:
    made = find_authority(tmp_path, NAMES, NOW)
    basic = made.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert made.certificate.extensions.get_extension_for_class(x509.NameConstraints).critical
    domains, networks = made.permitted
    assert domains == [*LOCAL_DOMAINS, "cam.example"]
    assert networks == [*PRIVATE, ip_network("203.0.113.9/32")]
    lasts = made.certificate.not_valid_after_utc - NOW
    assert timedelta(days=3649) < lasts < timedelta(days=3654)


@pytest.mark.parametrize("what", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff\xfe"])
def test_a_damaged_authority_is_said_and_not_replaced_in_silence(tmp_path: Path, what: bytes) -> None:
    find_authority(tmp_path, NAMES, NOW)
    (tmp_path / "ca.key").write_bytes(what)
    with pytest.raises(DaemonError, match="damaged") as caught:
        find_authority(tmp_path, NAMES, NOW)
    assert "livefuse tls renew" in caught.value.hint
    forget_authority(tmp_path)
    assert kept_authority(tmp_path) is None


def test_the_key_of_another_authority_is_no_key_of_this_one(tmp_path: Path) -> None:
    find_authority(tmp_path / "a", NAMES, NOW)
    find_authority(tmp_path / "b", NAMES, NOW)
    (tmp_path / "b" / "ca.key").write_bytes((tmp_path / "a" / "ca.key").read_bytes())
    with pytest.raises(DaemonError, match="not that of the certificate"):
        kept_authority(tmp_path / "b")


def test_an_authority_that_has_ended_is_said(tmp_path: Path) -> None:
    find_authority(tmp_path, NAMES, NOW)
    with pytest.raises(DaemonError, match="ended on"):
        find_authority(tmp_path, NAMES, NOW + timedelta(days=3660))


# --- what it vouches for


def test_the_certificate_is_one_that_browsers_take(tmp_path: Path) -> None:
    leaf = leaf_of(tmp_path)
    lasts = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert lasts == LIFE <= timedelta(days=397)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.1"]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    held = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(held.get_values_for_type(x509.DNSName)) == NAMES.hosts


def test_another_is_made_when_the_end_is_near_or_names_changed(tmp_path: Path) -> None:
    first = leaf_of(tmp_path)
    assert leaf_of(tmp_path, now=NOW + LIFE - RENEW - timedelta(days=3)) == first
    second = leaf_of(tmp_path, now=NOW + LIFE - RENEW)
    assert second != first
    third = leaf_of(tmp_path, Names.of([*NAMES.hosts, "other.local"], NAMES.addresses))
    assert third != second
    (tmp_path / "leaf.pem").write_bytes(b"nonsense")
    assert leaf_of(tmp_path) != third


def test_a_certificate_of_another_authority_is_not_kept(tmp_path: Path) -> None:
    first = leaf_of(tmp_path)
    forget = (tmp_path / "leaf.pem").read_bytes()
    forget_authority(tmp_path)
    (tmp_path / "leaf.pem").parent.mkdir(exist_ok=True)
    (tmp_path / "leaf.pem").write_bytes(forget)
    assert leaf_of(tmp_path) != first


# --- serving


def test_who_trusts_the_authority_reaches_the_daemon_by_all_its_names(tmp_path: Path) -> None:
    tls = make_tls(ServeConfig(tls="auto", hosts=("studio.local",)), tmp_path)
    assert tls is not None
    for name in ("localhost", "127.0.0.1", "::1", "studio.local"):
        handshake(tls.context, trusting(tls.pem), name)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not match"):
        handshake(tls.context, trusting(tls.pem), "bank.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tls.context, ssl.create_default_context(), "localhost")
    assert tls.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_stolen_key_cannot_vouch_for_a_bank(tmp_path: Path) -> None:
    """OpenSSL heeds the constraints, as browsers do: such a certificate is of no use to whoever has the key."""
    authority = find_authority(tmp_path, machine_names())
    file, _ = find_leaf(tmp_path, authority, Names.of(["bank.example"], []))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(server, trusting(authority.pem), "bank.example")


def test_a_name_that_came_later_is_left_out_and_told(tmp_path: Path) -> None:
    make_tls(ServeConfig(tls="auto"), tmp_path)
    tls = make_tls(ServeConfig(tls="auto", hosts=("late.example",)), tmp_path)
    assert tls is not None
    assert str(tls.left_out) == "late.example"
    assert "late.example" not in tls.names.hosts
    forget_authority(tls_folder(tmp_path))
    again = make_tls(ServeConfig(tls="auto", hosts=("late.example",)), tmp_path)
    assert again is not None
    assert "late.example" in again.names.hosts


def test_another_address_gets_a_certificate_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = Tls(ServeConfig(tls="auto"), tmp_path)
    assert tls.renew() is False
    adapter = ifaddr.Adapter("w", "w", [ifaddr.IP("10.77.0.9", 24, "w")])
    monkeypatch.setattr("ifaddr.get_adapters", lambda: [adapter])
    assert tls.renew() is True
    handshake(tls.context, trusting(tls.pem), "10.77.0.9")


def given(folder: Path) -> ServeConfig:
    """The files of a user, from an authority that nobody else knows."""
    file, _ = find_leaf(folder, find_authority(folder, NAMES), Names.of(["cam.example"], []))
    pem = file.read_bytes()
    cut = pem.index(b"-----BEGIN PRIVATE KEY")
    (folder / "cert.pem").write_bytes(pem[:cut])
    (folder / "key.pem").write_bytes(pem[cut:])
    return ServeConfig(tls_cert=str(folder / "cert.pem"), tls_key=str(folder / "key.pem"))


def test_own_files_are_served_and_replaced(tmp_path: Path) -> None:
    tls = make_tls(given(tmp_path), tmp_path / "state")
    assert tls is not None
    assert not tls.is_own
    assert not (tmp_path / "state").exists()
    assert tls.pem.count(b"BEGIN") == 1
    before = tls.fingerprint
    assert tls.renew() is False
    (tmp_path / "leaf.pem").unlink()
    given(tmp_path)
    for name in ("cert.pem", "key.pem"):
        os.utime(tmp_path / name, ns=(1, 1))
    assert tls.renew() is True
    assert tls.fingerprint != before


def test_files_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    serve = given(tmp_path)
    with pytest.raises(BadValue, match="belong together"):
        make_tls(ServeConfig(tls_cert="x.pem"), tmp_path)
    with pytest.raises(BadValue, match="No such file"):
        make_tls(serve.model_copy(update={"tls_key": str(tmp_path / "missing")}), tmp_path)
    with pytest.raises(BadValue, match="cannot be read together"):
        make_tls(serve.model_copy(update={"tls_key": serve.tls_cert}), tmp_path)
    assert make_tls(ServeConfig(), tmp_path) is None


def test_an_encrypted_key_is_refused_and_never_asked_for_on_the_terminal(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s

    serve = given(tmp_path)
    key = s.load_pem_private_key(Path(serve.tls_key).read_bytes(), None)
    locked = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    Path(serve.tls_key).write_bytes(locked)
    with pytest.raises(BadValue, match="cannot be read together") as caught:
        make_tls(serve, tmp_path)
    assert "without a password" in caught.value.hint


# --- the commands


def test_the_commands_show_and_hand_out_only_what_is_public(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    assert run_command(["tls", "show"]) == 1
    assert "livefuse serve --tls" in capsys.readouterr().err
    assert run_command(["tls", "trust", "--for", "linux", "--url", "http://10.0.0.5:7853"]) == 0
    told = capsys.readouterr().out
    file = authority_file(tls_folder(tmp_path / "state"))
    mark = fingerprint(file.read_bytes())
    assert mark in told
    assert f"-i {file}" in told
    assert "security add-trusted-cert" not in told
    assert run_command(["tls", "trust", "--url", "http://10.0.0.5:7853"]) == 0
    assert "http://10.0.0.5:7853/ca.crt" in capsys.readouterr().out
    assert run_command(["tls", "export", str(tmp_path / "out.crt")]) == 0
    assert (tmp_path / "out.crt").read_bytes() == file.read_bytes()
    assert run_command(["tls", "show", "--json"]) == 0
    assert mark in capsys.readouterr().out
    assert run_command(["tls", "trust", "--for", "amiga"]) == 2
    assert run_command(["tls", "renew", "--yes"]) == 0
    assert fingerprint(file.read_bytes()) != mark


def test_every_system_has_its_way() -> None:
    told = ways("/home/me/ca file.crt", "http://10.0.0.5:7853/ca.crt")
    assert {one.system for one in told} == {"linux", "macos", "windows", "firefox", "ios", "android"}
    typed = [
        step for one in told if one.is_command and one.system != "windows" for step in one.steps if "ca file" in step
    ]
    assert all("'/home/me/ca file.crt'" in step for step in typed)
