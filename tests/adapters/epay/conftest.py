"""What the tests of the epay adapter share: keys, a gateway, adapters that speak to it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import attrs
import pytest

from autocard.adapters.epay import EpayOptions, EpayPlatform
from autocard.http.client import HttpClient
from autocard.spi import Secret

MD5_SECRET = "K7f3Qm9ZtR2xVb8LsW4nDy6HcE1pJ5aG"
PRIVATE = (
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDn7DT0JopoeM0586BsSsgDWmVSWkWvVrTZU4/H"
    "8o1hUruOvart3Z2rrWoq/m8GGJW+BqiDXTOZTWhV8U8JkFajJp9l+xZcEYJt9xTLVXykQG3V8i5dR6OQ5bW8Stcp"
    "1F5agHBPc1qRa0ifE8fYvSXgNPlwxdFQM+3nKzuq557u9uD3TW3fIyPHTBUDzboOt7KLPMpsKNfmRSXpeeqjECmZ"
    "3EM8212+h/UpqNGeZEstIhjcbGRgkc/YAWaAzr+9I8mJj9eJjr6N2eNihGpOGj9v/i+8W6OSowy77mdzHO28zYGw"
    "AjQX4p+AR7MqWM2YvoQeHpMTClav/gHdbSsTpCtxAgMBAAECggEAIF4gc9SvK250ofpk8MgtCv7CNlCf+h0dR1l4"
    "rxyka6lKwNyqruDnoO6maxKwdwbWWzt9qDvJOEOL5La1Y63P0ZxR0b9NuxK8g9FghxJKv3e4fIv8uYsGgnH0v68o"
    "QU/AzVuwkP4V7UauT3lIwnB/iT+LcphBIrLkqIcpoCwMS+hHnsQiH3G52vHv+raCumbpWrVQ/Svt/aXYU40er/EO"
    "4eoTW/U9h80bIzFBRZOVmMevUgp0WOw+5iEgnxSlWQK/2whNcJ3eBZpRFYqC/xil/IqgwcqYDK9An48+tWub6wFT"
    "YsAdq0LnmKSTeDa0iY4rBIxtkCtIyjkaRTdv/4KA2QKBgQD/CzmfpEVb2xtaTkqz6EoHsuc5bD4u/1KVpTxD9T+N"
    "cNmBmvmpO5+Ezem+EzTqhnbI1jRCBZn1xzk3OqFMZXOVtd20uhKYTOb0MRDmGO9RSLGfkORYpbTFmEVZ+8tFHCxG"
    "Kfmy52pspxkUl9YR9ly88HSt1jccC1YP1iF+8TP2JQKBgQDoysqhwOUpYAAAu6CuCy1l1c969XN6jOl3x3tm3Nfg"
    "xo+omGssNFp7LoT49YE2SzGZq66AjiSnKEcik0sXvqDpCGiN15RCCJHn4MjhoaX+tB8rv4DQNvBXJ3h02i5B4JBC"
    "pQRO/qlLiH/amavB8EFSqzH1ylAhZaRkGiPoggjAXQKBgDECxTYKaVG3j1ART4W3E9La7Fg6ltCNPB+Ju0UL8gSK"
    "NSIU1/lPfd4Ve9+M7VRMNrNthmlRjj6O5E3atHhr3oRciJhcUYp27MLsUuUE0ah7IbcaLudiIJUAKAOcwXksas2o"
    "71UT532ttsIgU4DsKPId+y4Uxk5bV1R/v7wXOfcJAoGBAMmF9JC+yiNdReNciibg6jYEOA77uTJYFixo9jz/5api"
    "ei67c9vanpGQnfBfp7H2ukOLyg7j/nrudVZLKHCvx+C0NL7F50Sa4qRXhc89/tNV3r4ilEKrrLfmJXMTBYRmALyQ"
    "2gAAmVIYIoZ9DaFgeUw1g5SBxYiD0yINNxSqrSTJAoGBANcAxFRgmsiPlt8MypqJdy/tsuQ7aAKp9nAJ2MICdRiq"
    "rqmJSaXjrv28DRR4O9Nbxq0jhgtoECfaIqRKM5cOi7QZL1F2BwMagwPQ6ToWekUhpAI2QBLDuhp7ADSq+xCjAbWj"
    "cP7BS/N9IM6wwn12mdFmzAabSsjXWApaSLBpbi5i"
)
PUBLIC = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA5+w09CaKaHjNOfOgbErIA1plUlpFr1a02VOPx/KNYVK7"
    "jr2q7d2dq61qKv5vBhiVvgaog10zmU1oVfFPCZBWoyafZfsWXBGCbfcUy1V8pEBt1fIuXUejkOW1vErXKdReWoBw"
    "T3NakWtInxPH2L0l4DT5cMXRUDPt5ys7quee7vbg901t3yMjx0wVA826DreyizzKbCjX5kUl6XnqoxApmdxDPNtd"
    "vof1KajRnmRLLSIY3GxkYJHP2AFmgM6/vSPJiY/XiY6+jdnjYoRqTho/b/4vvFujkqMMu+5ncxztvM2BsAI0F+Kf"
    "gEezKljNmL6EHh6TEwpWr/4B3W0rE6QrcQIDAQAB"
)


def _load_simulator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "epay_simulator", Path(__file__).with_name("simulator.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="keys", scope="session")
def _keys() -> SimpleNamespace:
    """The made-up keys of the specification; its RSA pair plays merchant and platform."""
    return SimpleNamespace(md5=MD5_SECRET, private=PRIVATE, public=PUBLIC)


@pytest.fixture(name="v1")
def _v1() -> EpayOptions:
    return EpayOptions(
        base_url="https://pay.example.com", pid="1001", credential=Secret(MD5_SECRET)
    )


@pytest.fixture(name="v2")
def _v2() -> EpayOptions:
    return EpayOptions(
        base_url="https://pay.example.com/",
        pid="1001",
        version="v2",
        private_key=Secret(PRIVATE),
        platform_public_key=PUBLIC,
    )


@pytest.fixture(name="gateway")
def _gateway() -> Iterator[object]:
    simulator = _load_simulator().Simulator
    with simulator(
        pid="1001", md5_secret=MD5_SECRET, private_b64=PRIVATE, public_b64=PUBLIC
    ) as gateway:
        yield gateway


@pytest.fixture(name="client")
def _client() -> Iterator[HttpClient]:
    with HttpClient(timeout_s=2.0, allow_http=True) as client:
        yield client


@pytest.fixture(name="shop")
def _shop(gateway, v1: EpayOptions, client: HttpClient) -> EpayPlatform:
    """A V1 merchant of the simulated gateway."""
    return EpayPlatform(attrs.evolve(v1, base_url=gateway.base), client)


@pytest.fixture(name="shop2")
def _shop2(gateway, v2: EpayOptions, client: HttpClient) -> EpayPlatform:
    """A V2 merchant of the simulated gateway."""
    return EpayPlatform(attrs.evolve(v2, base_url=gateway.base), client)
