"""What the demonstration says, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Language = Literal["en", "zh"]

TEXTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        # --- 1: stock ---
        "stock": (
            "A merchant brings cards in",
            "商家导入卡密",
        ),
        "stock_folder": (
            "A configuration, a keyring and an empty store are written to {folder}.",
            "在 {folder} 写入一份配置、一个密钥环和一个空的存储。",
        ),
        "stock_file": (
            (
                "The file {file} comes as Chinese shops send them: GB18030 bytes, {bytes:,} of them, "
                "with Chinese column titles. One card is in it twice and one was cut short."
            ),
            (
                "文件 {file} 与国内商家常见的一样：GB18030 编码，{bytes:,} 字节，中文列名；"
                "其中一张卡重复，一张卡残缺。"
            ),
        ),
        "stock_read": (
            "Found out by itself: {detected}.",
            "自动识别：{detected}。",
        ),
        "row_duplicate_in_file": (
            "  line {line}: {shown} came earlier in this file",
            "  第 {line} 行：{shown} 与本文件前面的卡重复",
        ),
        "row_malformed": (
            "  line {line}: malformed: {why}",
            "  第 {line} 行：格式不对（{why}）",
        ),
        "imported": (
            "{added} cards came in; the double one and the cut one were reported with their lines.",
            "导入 {added} 张卡；重复和残缺的两行连同行号一起报告。",
        ),
        "imported_again": (
            "The same file once more adds nothing: {in_stock} cards are in stock already.",
            "同一个文件再导入一次，一张也不会多：{in_stock} 张已在库存中。",
        ),
        "keyring_private": (
            "The keyring can be read by its owner only.",
            "密钥环文件只有所有者可读。",
        ),
        # --- 2: shop ---
        "shop": (
            "A small shop opens on this machine",
            "本机上开出一个小店",
        ),
        "shop_open": (
            (
                "Shop: 127.0.0.1:{shop_port}. Payment gateway (易支付, simulated): "
                "127.0.0.1:{gateway_port}. Both speak real HTTP."
            ),
            (
                "小店：127.0.0.1:{shop_port}；易支付网关（模拟）：127.0.0.1:{gateway_port}。"
                "两者都走真实的 HTTP。"
            ),
        ),
        "expected": (
            "Order {order_no} is registered before it is paid; no card is taken for it.",
            "订单 {order_no} 在付款前登记，此时不占用任何卡。",
        ),
        # --- 3: notices ---
        "notices": (
            "Payment notifications arrive: a forged one, and a genuine one ten times at once",
            "付款通知到来：一条伪造的，以及同一条真实通知同时发来十次",
        ),
        "forged": (
            (
                "The forged one (one byte changed: the order number) was refused with {status} "
                "{body!r}, which explains nothing."
            ),
            "伪造通知（只改了一个字节：订单号）被拒绝，回复 {status} {body!r}，不作任何解释。",
        ),
        "forged_stored": (
            "It left no trace: no event, no card, no order.",
            "它没有留下任何痕迹：没有事件，没有卡，没有订单。",
        ),
        "acknowledged": (
            "All {count} genuine ones were answered 'success', so the gateway stops repeating.",
            "{count} 条真实通知都得到“success”，网关不会再重发。",
        ),
        "confirmed": (
            (
                "Before the card was taken the gateway was asked whether the order is paid "
                "({asked} times)."
            ),
            "取卡之前向网关查询过订单是否已付款（{asked} 次）。",
        ),
        "one_card": (
            "Exactly one card went out for them together.",
            "十条通知合起来只发出了一张卡。",
        ),
        "one_card_taken": (
            "Exactly one card left the stock: {available} of {total} remain.",
            "库存恰好少了一张：{total} 张中还剩 {available} 张。",
        ),
        # --- 4: kills ---
        "kills": (
            "Processes are killed in the middle of their work",
            "进程在工作途中被强行杀死",
        ),
        "kill_said": (
            "Process {pid} dispatches orders as fast as it can; after {seen} lines it is killed.",
            "进程 {pid} 正在全速发卡；看到 {seen} 行输出后将其杀死。",
        ),
        "killed": (
            "{rounds} processes were killed while they were dispatching.",
            "{rounds} 个进程在发卡途中被杀死。",
        ),
        "kill_served": (
            (
                "After reopening, all {count} orders were dispatched again: {before} had been served "
                "before the kills and got the same card, {after} were served now."
            ),
            (
                "重新打开后把 {count} 个订单全部再发一次：{before} 个在被杀前已完成，拿到原来的卡；"
                "{after} 个现在完成。"
            ),
        ),
        "kill_once": (
            "Each of the {count} orders has exactly one card, and no two have the same.",
            "{count} 个订单各有且只有一张卡，没有两个订单拿到同一张。",
        ),
        "push_died": (
            "Another process died after the order was committed and before its file was written.",
            "另一个进程在订单已提交、交付文件尚未写出时死去。",
        ),
        "push_visible": (
            "The order was not lost: it says {outcome}/{reason}, and there is no file yet.",
            "订单没有丢失：状态为 {outcome}/{reason}，此时还没有文件。",
        ),
        "push_resumed": (
            "resume() found it and wrote the file.",
            "resume() 找到它并写出了文件。",
        ),
        "push_once": (
            "Dispatched again, the order has the same card, and there is one file with it.",
            "再次发卡，订单仍是同一张卡，文件也只有一份。",
        ),
        # --- 5: books ---
        "books": (
            "The books are verified",
            "核对账目",
        ),
        "verified": (
            (
                "The ledger agrees with the stock and the orders: {cards} cards, {events} events, "
                "{faults} faults."
            ),
            "账本、库存与订单一致：{cards} 张卡、{events} 条事件、{faults} 处差错。",
        ),
        "conserved": (
            (
                "{available} available and {delivered} delivered make {total}: no card was lost or "
                "sold twice."
            ),
            "可用 {available} 张加已交付 {delivered} 张等于 {total} 张：没有丢卡，也没有重复售出。",
        ),
        "searched": (
            (
                "None of the {cards} cards, and not the buyer's address, is readable in the {bytes:,} "
                "bytes of {files}."
            ),
            "在 {files} 的 {bytes:,} 字节中，{cards} 张卡和买家地址均无法读出。",
        ),
        "search_works": (
            "The same search finds all {cards} cards in the file they came from.",
            "同样的搜索方法在原始卡密文件中能找到全部 {cards} 张卡。",
        ),
        "kept": (
            "Everything is left in {folder}: look into it with autocard --config {config}.",
            "全部文件保留在 {folder}：可用 autocard --config {config} 查看。",
        ),
        "cleaned": (
            "The folder is removed again.",
            "临时文件夹已删除。",
        ),
    }
)


def text(language: Language, name: str, **values: object) -> str:
    """Return the sentence *name* in *language* with *values* in it."""
    english, chinese = TEXTS[name]
    return (chinese if language == "zh" else english).format(**values)
