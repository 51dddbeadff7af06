"""The configuration that `autocard init` writes: short, commented, and loadable as it is."""

from __future__ import annotations

import json
import re
from typing import Final, Literal

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")

# A line that begins with "#" and no space is a setting to uncomment; one with a space explains.
_ENGLISH: Final = """\
# autocard settings. Every name is explained in docs/configuration.md.
# Unknown names and wrong types are refused with the line they are on.

store = {store}
# Holds the seal keys. Keep a copy somewhere safe: without it no card can be read again.
keyring = {keyring}
# Refuse imports that do not say where the cards come from.
require_provenance = false

# What you sell. An item of the same name is served from it without any rule.
[skus.steam-50]
# Without stock an order waits for more, or for a person: `autocard review list`.
sources = ["warehouse:main", "manual"]
# The most that one may cost when it is bought; below `low` available cards it is restocked, if
# [skus.steam-50.restock] says how.
#ceiling = "47.00 CNY"
low = 10
#minimum_life_days = 30

# Where orders come from. Your own code may dispatch orders of any platform without this.
#[platforms.{shop}]
#adapter = "webhook_json"
#credential = "env:AUTOCARD_SHOP_CREDENTIAL"
#deliver_url = "https://shop.example.com/cards"

# Where cards are bought when stock runs out; add "supplier:acme" to the sources above.
# docs/adapters/index.md lists the adapters; `items` is what the supplier calls your skus.
#[suppliers.acme]
#adapter = "kasushou"
#base_url = "https://cards.example.com/"
#user_id = "10086"
#credential = "env:AUTOCARD_ACME_CREDENTIAL"
#daily_budget = "1000.00 CNY"
#items = {{ steam-50 = "10023" }}

# Which item is which sku; the first rule that matches counts.
#[[rules]]
#platform = {shop_text}
#item = "10*"
#buyer_level = ["vip", "svip"]
#sku = "steam-50"

# Orders that a person looks at first.
[review]
#amount_over = "500.00 CNY"
#new_buyer_days = 7
#orders_per_hour = 20
deny = []
"""

_CHINESE: Final = """\
# autocard 配置。每一项的说明见 docs/configuration.md。
# 写错的名称和类型会连同所在行一起报出。

store = {store}
# 保存加密密钥的钥匙串。请另存一份:丢失后任何卡密都无法再读出。
keyring = {keyring}
# 为 true 时,导入卡密必须写明来源。
require_provenance = false

# 出售的商品。与它同名的平台商品无需规则即可发卡。
[skus.steam-50]
# 缺货时订单等待补货,或由人工处理:autocard review list。
sources = ["warehouse:main", "manual"]
# 采购时每张最高多少钱;可用卡少于 low 时,若设有 [skus.steam-50.restock] 则自动补货。
#ceiling = "47.00 CNY"
low = 10
#minimum_life_days = 30

# 订单来源平台。您自己的代码无需此段即可为任何平台发卡。
#[platforms.{shop}]
#adapter = "webhook_json"
#credential = "env:AUTOCARD_SHOP_CREDENTIAL"
#deliver_url = "https://shop.example.com/cards"

# 缺货时向谁采购;请在上面的 sources 中加入 "supplier:acme"。
# 可用的适配器见 docs/adapters/index.md;items 写对方对您各个 sku 的商品编号。
#[suppliers.acme]
#adapter = "kasushou"
#base_url = "https://cards.example.com/"
#user_id = "10086"
#credential = "env:AUTOCARD_ACME_CREDENTIAL"
#daily_budget = "1000.00 CNY"
#items = {{ steam-50 = "10023" }}

# 平台商品对应哪个 sku;以第一条符合的规则为准。
#[[rules]]
#platform = {shop_text}
#item = "10*"
#buyer_level = ["vip", "svip"]
#sku = "steam-50"

# 需要人工先审核的订单。
[review]
#amount_over = "500.00 CNY"
#new_buyer_days = 7
#orders_per_hour = 20
deny = []
"""


def sample_toml(
    *,
    store: str = "sqlite:///autocard.db",
    keyring: str = "file:autocard.keyring",
    shop: str = "shop",
    language: Literal["en", "zh"] = "en",
) -> str:
    """
    Return a commented configuration that loads as it is.

    Args:
        store: Database URL.
        keyring: `file:PATH` or `env:NAME`.
        shop: The name its commented platform has.
        language: Of the comments, `en` or `zh`.
    """
    sample = _CHINESE if language == "zh" else _ENGLISH
    return sample.format(
        store=_quoted(store),
        keyring=_quoted(keyring),
        shop=shop if _BARE.fullmatch(shop) else _quoted(shop),
        shop_text=_quoted(shop),
    )


def _quoted(text: str) -> str:
    # JSON and TOML agree about texts, except that TOML also escapes the delete character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
