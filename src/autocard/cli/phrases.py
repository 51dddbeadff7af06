"""What the command says, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PHRASES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        # --- errors ---
        "error": ("error: ", "错误："),
        "unexpected": (
            "something unforeseen happened ({kind}); --debug shows where",
            "发生了意料之外的错误（{kind}）；加上 --debug 可查看位置",
        ),
        "init_exists": (
            "{path} exists already; --force writes a new one in its place",
            "{path} 已存在；--force 可写入新的配置取代它",
        ),
        "report_one_file": (
            "--report goes with one FILE; import them one after the other",
            "--report 只能配合一个 FILE 使用；请逐个导入",
        ),
        "no_file": (
            "{file}: there is no such file",
            "{file}：没有这个文件",
        ),
        "is_folder": (
            "{file}: this is a folder; name the files in it",
            "{file}：这是文件夹；请写出其中的文件",
        ),
        "no_report_folder": (
            "--report {file}: its folder does not exist; make it first",
            "--report {file}：所在文件夹不存在；请先创建",
        ),
        "report_elsewhere": (
            "--report would overwrite {file}; name another file for the report",
            "--report 会覆盖 {file}；请为报告另选一个文件名",
        ),
        "stdin_once": (
            "the standard input can be read once; give - once",
            "标准输入只能读取一次；- 只能写一个",
        ),
        "no_reason": (
            "say in a few words why, for the record",
            "请用几个字说明原因，以便留档",
        ),
        "find_argument": (
            (
                "give no card text as an argument: the shell would remember it. Run `autocard find` "
                "and type it in, or pipe it to `autocard find -`"
            ),
            (
                "请不要把卡密写在参数里：命令历史会记住它。请运行 autocard find 后输入，"
                "或通过管道传给 autocard find -"
            ),
        ),
        "find_empty": (
            "the text of the card is empty",
            "卡密内容为空",
        ),
        "cards_not_utf8": (
            "--cards: not UTF-8 text; save the file as UTF-8",
            "--cards：不是 UTF-8 文本；请将文件另存为 UTF-8",
        ),
        "events_both": (
            "--platform and --order go together: both, or neither",
            "--platform 与 --order 要么都写，要么都不写",
        ),
        "archive_both": (
            "--older-than and --to are needed, as in: autocard archive --older-than 400d --to DIR",
            "需要 --older-than 和 --to，例如：autocard archive --older-than 400d --to 文件夹",
        ),
        "order_name": (
            "write it like shop/A1001: the platform, a slash, the order's number",
            "请写成 shop/A1001 的形式：平台、斜杠、订单号",
        ),
        # --- questions ---
        "ask_store": ("Where is everything stored (database URL)", "数据存放在哪里（数据库 URL）"),
        "ask_keyring": (
            "Where are the seal keys (file:PATH or env:NAME)",
            "加密密钥放在哪里（file:路径 或 env:变量名）",
        ),
        "ask_shop": ("A name for your shop", "给您的店铺起个名字"),
        "ask_card": ("Text of the card (not shown)", "卡密内容（输入时不显示）"),
        "ask_cards": (
            "Card (not shown; an empty one ends)",
            "卡密（输入时不显示，直接回车结束）",
        ),
        # --- init, demo ---
        "init_written": ("Wrote {path}.", "已写入 {path}。"),
        "init_keyring": (
            (
                "The seal keys are in {keyring}. Keep a copy in a safe place: without them no card "
                "can be read again."
            ),
            "加密密钥在 {keyring}。请在安全的地方另存一份：丢失后任何卡密都无法再读出。",
        ),
        "init_next": (
            "Next: look into {path}, then: autocard import steam-50 FILE",
            "下一步：看一看 {path}，然后运行：autocard import steam-50 文件",
        ),
        "demo_ok": ("Every claim held.", "以上每一条都经过检验，全部成立。"),
        "demo_broken": ("Something did not hold; look above.", "有不成立的条目，请看上文。"),
        # --- import ---
        "detected": ("{file}: {detected}", "{file}：{detected}"),
        "added": (
            "{added} of {rows} rows added to {sku} in {warehouse}.",
            "{rows} 行中有 {added} 行导入 {sku}，仓库 {warehouse}。",
        ),
        "would_add": (
            "{added} of {rows} rows would be added to {sku} in {warehouse}. Nothing was stored.",
            "{rows} 行中将有 {added} 行导入 {sku}，仓库 {warehouse}。未写入任何内容。",
        ),
        "batch": (
            "Batch {batch}; take it back with: autocard undo {batch} --why REASON",
            "批次 {batch}；撤回命令：autocard undo {batch} --why 原因",
        ),
        "verdict.duplicate_in_file": (
            "{count} came earlier in the same file",
            "{count} 行与本文件前面的卡重复",
        ),
        "verdict.in_stock": ("{count} were in stock before", "{count} 行已在库存中"),
        "verdict.sold": (
            "{count} were sold before: the same file again, or somebody delivers cards twice",
            "{count} 行以前已售出：同一文件再次导入，或有人重复供货",
        ),
        "verdict.voided": ("{count} were taken out of stock before", "{count} 行以前已作废"),
        "verdict.malformed": ("{count} are malformed", "{count} 行格式不对"),
        "more_rows": (
            "and {count} more; --report writes all of them",
            "另有 {count} 行；--report 可写出全部",
        ),
        "rows_read": ("{file}: {rows} rows", "{file}：{rows} 行"),
        # --- stock ---
        "no_stock": ("No cards.", "没有卡密。"),
        "no_batches": ("No batches.", "没有批次。"),
        "undone": (
            "Batch {batch} is taken back: {count} unsold cards left stock.",
            "批次 {batch} 已撤回：{count} 张未售出的卡离开库存。",
        ),
        "voided": ("Card {card} is void.", "卡 {card} 已作废。"),
        "moved": (
            "{count} cards of {sku} moved from {origin} to {destination}.",
            "{sku} 的 {count} 张卡从 {origin} 移到 {destination}。",
        ),
        "not_found": ("No card with this text is known.", "没有这张卡的记录。"),
        # --- orders ---
        "receipt": ("{platform} / {order_no}", "{platform} / {order_no}"),
        "receipt_replayed": (
            "{platform} / {order_no} (known before; nothing was changed)",
            "{platform} / {order_no}（此前已处理，没有任何改动）",
        ),
        "hidden": (
            "The cards are not shown; --reveal shows them.",
            "卡密未显示；加上 --reveal 可显示。",
        ),
        "resent.waiting": (
            "line {line}: not sent yet; `autocard resume` goes on with it",
            "第 {line} 行：尚未发出；autocard resume 会继续处理",
        ),
        "resent.delayed": (
            "line {line}: not sent by {route}, and tried again by `autocard resume`: {problem}",
            "第 {line} 行：未能通过 {route} 发出，autocard resume 会再试：{problem}",
        ),
        "resent.lost": (
            "line {line}: perhaps sent by {route}, and looked up by `autocard resume`: {problem}",
            "第 {line} 行：可能已通过 {route} 发出，autocard resume 会查询：{problem}",
        ),
        "resent.failed": (
            "line {line}: not sent by {route}: {problem}",
            "第 {line} 行：未能通过 {route} 发出：{problem}",
        ),
        "no_orders": ("No orders.", "没有订单。"),
        "nothing_held": ("Nothing waits for a person.", "没有需要人工处理的订单。"),
        # --- supply ---
        "no_offers": ("No supplier offers {sku} now.", "目前没有供货商提供 {sku}。"),
        "no_purchases": ("No purchases.", "没有采购记录。"),
        "no_suppliers": ("No suppliers are configured.", "没有配置供货商。"),
        "no_restocks": (
            "No sku is restocked; [skus.NAME.restock] says when and how much.",
            "没有货品设置自动补货；请在 [skus.名称.restock] 中设置补货时机和数量。",
        ),
        # --- resume ---
        "resumed_nothing": ("Nothing was due.", "没有到期的工作。"),
        "resumed.lapsed": ("{count} reservations lapsed", "{count} 个预占已到期释放"),
        "resumed.confirmed": ("{count} payments confirmed", "{count} 笔付款已向平台确认"),
        "resumed.bought": ("{count} steps of buying", "{count} 个采购步骤"),
        "resumed.served": ("{count} waiting lines served", "{count} 个等待中的订单行已发卡"),
        "resumed.delivered": ("{count} deliveries done", "{count} 次交付已完成"),
        "resumed.delayed": (
            "{count} deliveries were tried and not done",
            "{count} 次交付尝试未成功",
        ),
        "run_began": (
            "Working every {every} s; stop with Ctrl-C.",
            "每 {every} 秒处理一次；按 Ctrl-C 停止。",
        ),
        "run_ended": ("Stopped; the last pass was finished.", "已停止；最后一轮已完整结束。"),
        # --- ledger ---
        "verified": ("The books agree: {cards} cards.", "账目一致：共 {cards} 张卡。"),
        "faults": ("The books do not agree: {count} faults.", "账目不一致：{count} 处差错。"),
        "copied": (
            "{rows} rows copied. Write the new address into `store`, then start your hosts again.",
            "已复制 {rows} 行。请把新地址写入 store，然后重新启动各主机。",
        ),
        "no_events": ("No events.", "没有事件。"),
        # --- archives, migrate ---
        "archived_nothing": ("Nothing was old enough.", "没有足够旧的记录。"),
        "archived": (
            "{path}: {orders} orders, {intents} intents, {events} events, {movements} movements.",
            "{path}：{orders} 个订单、{intents} 个意图、{events} 个事件、{movements} 条库存变动。",
        ),
        "archive_cleared": ("{count} records left the store.", "{count} 条记录已移出存储。"),
        "no_archives": ("No archives.", "没有归档。"),
        "archive_whole": (
            "{file} is whole: {count} records shown.",
            "{file} 完整无损：显示 {count} 条记录。",
        ),
        "migrated": (
            "The store had schema {before}; it has {now} now.",
            "存储的结构版本从 {before} 升级到 {now}。",
        ),
        "migrated_new": (
            "The database had no autocard tables; it has schema {now} now.",
            "数据库里原来没有 autocard 的表；现在的结构版本是 {now}。",
        ),
        "migrated_nothing": (
            "The store has schema {now}, which is the newest; nothing was changed.",
            "存储的结构版本 {now} 已是最新；没有任何改动。",
        ),
        # --- columns ---
        "column.sku": ("sku", "货品"),
        "column.warehouse": ("warehouse", "仓库"),
        "column.available": ("available", "可用"),
        "column.reserved": ("reserved", "预占"),
        "column.issued": ("issued", "已发出"),
        "column.delivered": ("delivered", "已交付"),
        "column.void": ("void", "作废"),
        "column.batch": ("batch", "批次"),
        "column.imported_at": ("imported", "导入时间"),
        "column.supplier": ("supplier", "供货商"),
        "column.cost": ("cost", "成本"),
        "column.provenance": ("provenance", "来源凭据"),
        "column.added": ("added", "导入"),
        "column.undone": ("undone", "已撤回"),
        "column.line": ("line", "行"),
        "column.line_no": ("line", "行"),
        "column.verdict": ("verdict", "结果"),
        "column.why": ("why", "原因"),
        "column.shown": ("card (masked)", "卡密（已遮盖）"),
        "column.file": ("file", "文件"),
        "column.id": ("id", "编号"),
        "column.state": ("state", "状态"),
        "column.expires_at": ("expires", "有效期至"),
        "column.platform": ("platform", "平台"),
        "column.order_no": ("order", "订单号"),
        "column.item": ("item", "商品"),
        "column.quantity": ("quantity", "数量"),
        "column.cards": ("cards", "卡密"),
        "column.outcome": ("outcome", "结果"),
        "column.reason": ("reason", "缘由"),
        "column.accepted_at": ("accepted", "接单时间"),
        "column.paid": ("paid", "已付"),
        "column.at": ("at", "时间"),
        "column.kind": ("event", "事件"),
        "column.detail": ("detail", "详情"),
        "column.name": ("name", "名称"),
        "column.made_at": ("made", "建立时间"),
        "column.by": ("by", "操作人"),
        "column.since": ("from", "起"),
        "column.until": ("to", "止"),
        "column.records": ("records", "记录数"),
        "column.size": ("bytes", "字节"),
        "column.finished": ("finished", "已完成"),
        "column.record": ("record", "记录"),
        "column.reference": ("reference", "采购号"),
        "column.begun_at": ("begun", "开始时间"),
        "column.changed_at": ("changed", "变更时间"),
        "column.remote": ("supplier's number", "供货商单号"),
        "column.meant_for": ("for", "用途"),
        "column.arrived": ("arrived", "到货"),
        "column.calls": ("calls", "请求次数"),
        "column.price": ("price", "单价"),
        "column.charged": ("charged", "实付"),
        "column.problem": ("problem", "问题"),
        "column.on_sale": ("on sale", "在售"),
        "column.units": ("can be bought", "可采购"),
        "column.success_rate": ("success", "成功率"),
        "column.delay": ("takes", "耗时"),
        "column.balance": ("balance", "余额"),
        "column.balance_at": ("asked", "查询时间"),
        "column.is_low": ("low", "偏低"),
        "column.spent_today": ("spent today (UTC)", "今日支出（UTC）"),
        "column.paused_until": ("paused until", "暂停至"),
        "column.offers": ("offers", "报价数"),
        "column.changed": ("changed", "变化"),
        "column.point": ("low below", "补货线"),
        "column.claims": ("claims", "断言"),
        "column.held": ("held", "成立"),
        "column.seconds": ("seconds", "秒"),
    }
)
