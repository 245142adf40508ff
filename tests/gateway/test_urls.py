"""Where an attachment is fetched from, and which URLs nobody is asked for."""

import pytest

from noggin_mp.domain import errors
from noggin_mp.gateway import http, media, urls

BASE = "https://services.example.com"


def resolve(item: str, *, tip: str = "", template: str = http.DEFAULT_MEDIA_URL) -> str:
    """The full URL, or `reason` of the refusal."""
    found = media.resolve_url(template, BASE, "acme", item, tip)
    return found.reason if isinstance(found, media.Refusal) else f"{found.origin}{found.path}"


@pytest.mark.parametrize(
    ("expected", "item"),
    [
        (f"{BASE}/media/file?ns=acme&tip=a1", "/media/file?ns=acme&tip=a1"),
        (f"{BASE}/media/file?ns=acme&tip=a1", "media/file?tip=a1"),
        (f"{BASE}/media/file?ns=acme&tip=a1&size=full", "/media/file?tip=a1&size=full#top"),
        (f"{BASE}/other/file?id=7&q=a%20b", "/other/file?id=7&q=a b"),
        (f"{BASE}/media/file?x=1", "/media/file?x=1"),
        (f"{BASE}/media/file?tip=a1", f"{BASE}/media/file?tip=a1"),
        (f"{BASE}/m?tip=a1", "HTTPS://Services.Example.COM:443/m?tip=a1#x"),
        (f"{BASE}/m", "//services.example.com/m"),
        ("foreign_url", "https://evil.example.com/media/file?tip=a1"),
        ("foreign_url", "//evil.example.com/media/file?tip=a1"),
        ("foreign_url", "http://services.example.com/media/file?tip=a1"),
        ("foreign_url", "https://services.example.com:8443/media/file"),
        ("foreign_url", "https://services.example.com.evil.com/x"),
        ("bad_url", "https://user:pw@services.example.com/x"),
        ("bad_url", "https://services.example.com@evil.com/x"),
        ("bad_url", "https://services.example.com\\@evil.com/x"),
        ("bad_url", "ftp://services.example.com/x"),
        ("bad_url", "file:///etc/passwd"),
        ("bad_url", "javascript:alert(1)"),
        ("bad_url", "https://:443/x"),
        ("bad_url", "https://services.example.com:99999/x"),
        ("bad_url", "/media/file?tip=a\r\nX-Evil: 1"),
        ("bad_url", "/media/\0file"),
        ("bad_url", ""),
        ("bad_url", "   "),
        ("bad_url", "/x" * 5000),
    ],
)
def test_resolve_url_leads_home_or_nowhere_when_given(expected: str, item: str) -> None:
    assert expected == resolve(item)


def test_resolve_url_quotes_the_tip_when_it_has_odd_characters() -> None:
    assert resolve("/media/file?tip=x", tip="a&b/c") == f"{BASE}/media/file?ns=acme&tip=a%26b%2Fc"


def test_resolve_url_follows_the_template_when_a_deployment_differs() -> None:
    template = "https://media.example.com/{namespace}/blob/{tip}"
    assert resolve("/media/file?tip=a1&v=2", template=template) == (
        "https://media.example.com/acme/blob/a1?v=2"
    )
    assert resolve("https://media.example.com/x", template=template) == (
        "https://media.example.com/x"
    )
    assert resolve("/elsewhere", template=template) == f"{BASE}/elsewhere"


def test_object_url_stays_one_path_segment_when_a_tip_is_odd() -> None:
    home = urls.base(f"{BASE}/v1/")
    assert (
        urls.object_url(home, endpoint="lcd", tip="a?b#c").path == "/v1/rest/object/lcd/a%3Fb%23c"
    )
    assert urls.object_url(home, endpoint="lcd", tip="..").path == "/v1/rest/object/lcd/%2E%2E"


@pytest.mark.parametrize("wrong", ["", "services.example.com", "ftp://x", "https://u:pw@host"])
def test_base_refuses_when_the_address_cannot_be_used(wrong: str) -> None:
    with pytest.raises(errors.ConfigError, match=r"api\.base_url"):
        urls.base(wrong)


def test_base_keeps_a_password_to_itself_when_it_refuses() -> None:
    with pytest.raises(errors.ConfigError) as caught:
        urls.base("https://user:hunter2@host/")
    assert "hunter2" not in str(caught.value)
