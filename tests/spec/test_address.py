"""Where a server is reached: URLs as people write them, and OLLAMA_HOST as Ollama reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.address import ollama_url, url, variable


@pytest.mark.parametrize(
    ("text", "host", "port", "whole"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1", 8080, "http://127.0.0.1:8080"),
        ("https://api.example.com/v1", "api.example.com", 443, "https://api.example.com/v1"),
        ("HTTP://box:80/", "box", 80, "http://box/"),
        ("http://[::1]:9400", "::1", 9400, "http://[::1]:9400"),
        ("http://[::]:9400", "::1", 9400, "http://[::1]:9400"),
        ("http://0.0.0.0:8080", "127.0.0.1", 8080, "http://127.0.0.1:8080"),
        ("http://my_vllm:8000/v1", "my_vllm", 8000, "http://my_vllm:8000/v1"),
        (
            "http://bücher.example:81",
            "xn--bcher-kva.example",
            81,
            "http://xn--bcher-kva.example:81",
        ),
        (" http://box:81 ", "box", 81, "http://box:81"),
        ("https://box/a b".replace(" ", "%20"), "box", 443, "https://box/a%20b"),
        ("http://box:81/d?api-version=1&x", "box", 81, "http://box:81/d?api-version=1&x"),
        ("http://box:81/d#top", "box", 81, "http://box:81/d"),
    ],
)
def test_a_url_is_taken_apart(text: str, host: str, port: int, whole: str) -> None:
    """Host, port, path and query are what was written; IPv6 stands in brackets again."""
    found = url(text)

    assert (found.address.host, found.address.port, str(found)) == (host, port, whole)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://localhost:99999", "1 to 65535"),
        ("http://localhost:0", "1 to 65535"),
        ("http://localhost:80a", "1 to 65535"),
        ("http://localhost:-1", "1 to 65535"),
        ("localhost:8080", "did you mean http://localhost:8080?"),
        ("ftp://box:21", "found 'ftp://box:21'"),
        ("http://", "names no host"),
        ("http://:8080", "names no host"),
        ("http:///v1", "names no host"),
        ("http://[::1", "in brackets"),
        ("http://[box]:80", "in brackets"),
        ("http://::1:9400", "in brackets"),
        ("http://a..b:80", "found 'http://a..b:80'"),
        ("http://bo x:80", "found 'http://bo x:80'"),
        ('http://"box":80', "found"),
        ("", "found ''"),
    ],
)
def test_what_is_no_url_is_refused(text: str, words: str) -> None:
    """Each message holds what was expected and what was found."""
    with pytest.raises(ValueError, match="expected http://HOST:PORT") as refused:
        url(text)

    assert words in str(refused.value)


@pytest.mark.parametrize("text", ["http://me:s3cret@box:80", "me:s3cret@box", "http://a:s3cret/@b"])
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    """A URL with a user in it is refused with the next step, and the message hides it."""
    with pytest.raises(ValueError, match="expected http") as refused:
        url(text)

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        ("example.com", "http://example.com:11434"),
        ("localhost:", "http://localhost:11434"),
        (":66000", "http://127.0.0.1:11434"),
        ("box:port", "http://box:11434"),
        (":-1", "http://127.0.0.1:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::]", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::]:1234", "http://[::1]:1234"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (" 1.2.3.4 ", "http://1.2.3.4:11434"),
        ('"1.2.3.4"', "http://1.2.3.4:11434"),
        (' " 1.2.3.4 " ', "http://1.2.3.4:11434"),
        ("'1.2.3.4'", "http://1.2.3.4:11434"),
        ("http://1.2.3.4", "http://1.2.3.4"),
        ("http://1.2.3.4:4321", "http://1.2.3.4:4321"),
        ("https://0.0.0.0:4321", "https://127.0.0.1:4321"),
        ("https://example.com/ollama", "https://example.com/ollama"),
        ("ollama.com", "https://ollama.com"),
    ],
)
def test_a_host_of_ollama_is_read_as_ollama_reads_it(
    told: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cases of envconfig/config_test.go (TestHost, TestConnectableHost) and some beside."""
    monkeypatch.setenv("OLLAMA_HOST", told)

    assert str(ollama_url(variable("OLLAMA_HOST"), lenient=True)) == address


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    """No text brings anything but an address that can be written down and read again."""
    for read in (url, ollama_url):
        try:
            found = read(text)
        except ValueError as refused:
            assert str(refused).startswith("expected http")
        else:
            assert url(str(found)) == found
            assert 1 <= found.address.port <= 65535
