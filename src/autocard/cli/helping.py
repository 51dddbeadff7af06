"""What `--help` says about commands and options, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

HELP: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        # --- commands ---
        "command.autocard": (
            "A paid order becomes the right card, exactly once.",
            "订单付款后，正确的卡密恰好发出一次。",
        ),
        "command.init": (
            "Write a first configuration; make its keyring and store.",
            "写入初始配置，并创建密钥环和存储。",
        ),
        "command.migrate": (
            "Bring the store to the schema of this version.",
            "把存储升级到本版本的结构。",
        ),
        "command.check": (
            "Check the configuration, keyring, store and adapters.",
            "检查配置、密钥环、存储和适配器。",
        ),
        "command.demo": (
            "Play the whole story on real files and sockets.",
            "用真实的文件和网络完整演示一遍。",
        ),
        "command.import": (
            "Bring cards of SKU in from files; - is the standard input.",
            "从文件导入 SKU 的卡密；- 表示标准输入。",
        ),
        "command.copy": (
            "Copy the store into an empty one on another database.",
            "把整个存储复制到另一个空数据库。",
        ),
        "command.stock": ("Show stock by sku and warehouse.", "按货品和仓库显示库存。"),
        "command.batches": ("Show imports with their provenance.", "显示各次导入及其来源。"),
        "command.undo": (
            "Take the unsold cards of an import back.",
            "撤回某次导入中尚未售出的卡。",
        ),
        "command.void": ("Take one card out of use for good.", "永久作废一张卡。"),
        "command.move": ("Move cards to another warehouse.", "把卡移到另一个仓库。"),
        "command.find": ("Find a card by its text.", "按卡密内容查找。"),
        "command.dispatch": (
            "Serve the paid order in FILE (JSON); - is the standard input.",
            "为 FILE（JSON）中的已付款订单发卡；- 表示标准输入。",
        ),
        "command.pull": (
            "Fetch a platform's paid orders and serve them.",
            "拉取平台上已付款的订单并发卡。",
        ),
        "command.orders": ("List orders, the newest first.", "列出订单，最新的在前。"),
        "command.receipt": ("Show what became of an order.", "显示某个订单的处理结果。"),
        "command.cancel": ("Cancel what was not handed out yet.", "取消尚未发出的部分。"),
        "command.resend": ("Hand the same cards over once more.", "把同样的卡再交付一次。"),
        "command.review": ("Orders that wait for a person.", "需要人工处理的订单。"),
        "command.review list": ("Show what waits and why.", "显示待处理的订单及原因。"),
        "command.review approve": ("Serve an order that was held.", "放行被挂起的订单。"),
        "command.review reject": ("Refuse an order that was held.", "拒绝被挂起的订单。"),
        "command.review fulfil": (
            "Serve one line by hand; cards are typed in, piped in, or picked.",
            "人工完成一行：输入卡密、由管道传入，或从库存挑选。",
        ),
        "command.review settle": (
            "Declare an undelivered line delivered.",
            "确认未送达的订单行实际已送达。",
        ),
        "command.supply": ("What is bought from suppliers.", "向供货商采购。"),
        "command.supply offers": (
            "Ask suppliers what they offer of SKU now; buy nothing.",
            "查询各供货商目前对 SKU 的报价；不采购。",
        ),
        "command.supply purchases": ("List purchases, the newest first.", "列出采购，最新的在前。"),
        "command.supply show": (
            "Show one purchase and everything that happened to it.",
            "显示一笔采购及其全部经过。",
        ),
        "command.supply balances": (
            "Show balances, spending, pauses and success; ask nobody.",
            "显示各供货商的余额、支出、暂停和成功率；不对外查询。",
        ),
        "command.supply sync": (
            "Ask suppliers for prices, stock and balance.",
            "向供货商查询价格、库存和余额。",
        ),
        "command.supply restock": (
            "Look at stock, of SKU or all, and buy what is low.",
            "检查库存（指定 SKU 或全部），不足的进行采购。",
        ),
        "command.supply approve": ("Let a proposed restock be bought.", "批准待审的补货。"),
        "command.supply decline": ("Drop a proposed restock.", "否决待审的补货。"),
        "command.supply retry": (
            "Have a held purchase looked up once more; buy nothing.",
            "对挂起的采购再查询一次；不会重新采购。",
        ),
        "command.supply resolve": (
            "Say what became of a held purchase: bought or failed.",
            "说明挂起的采购的实际结果：bought（已买到）或 failed（未买到）。",
        ),
        "command.resume": ("Advance what is unfinished, once.", "推进未完成的工作，一次。"),
        "command.run": ("Resume again and again until stopped.", "反复推进，直到被停止。"),
        "command.verify": ("Say whether the books agree.", "核对账目是否一致。"),
        "command.events": ("Show what happened, in order.", "按顺序显示发生过的事件。"),
        "command.archive": (
            "Carry old records out of the store into sealed files.",
            "把旧记录从存储移到加密的归档文件。",
        ),
        "command.archive list": ("Show the archives of this store.", "列出本存储的归档。"),
        "command.archive show": (
            "Show what an archive holds, once every byte of it was checked.",
            "逐字节校验归档后显示其内容。",
        ),
        "command.archive restore": (
            "Bring what was sealed with an order back from its archive.",
            "从归档恢复某个订单的加密内容。",
        ),
        # --- options of all commands ---
        "option.config": (
            "The configuration; without it AUTOCARD_CONFIG, then autocard.toml.",
            "配置文件；未给出时用 AUTOCARD_CONFIG，其次 autocard.toml。",
        ),
        "option.json": ("Answer with JSON.", "以 JSON 输出。"),
        "option.lang": (
            "Language; without it AUTOCARD_LANG, then the locale.",
            "语言；未给出时用 AUTOCARD_LANG，其次系统区域设置。",
        ),
        "option.debug": ("Show where an error arose.", "显示错误发生的位置。"),
        "option.version": ("Show the version.", "显示版本。"),
        # --- options of some ---
        "option.yes": ("Ask nothing.", "不提问。"),
        "option.store": ("Database URL.", "数据库 URL。"),
        "option.keyring": ("file:PATH or env:NAME.", "file:路径 或 env:变量名。"),
        "option.shop": ("Name of the platform in the sample.", "示例中平台的名称。"),
        "option.force": (
            "Replace a configuration that exists; never a keyring or a store.",
            "取代已有的配置；绝不覆盖密钥环和存储。",
        ),
        "option.keep": ("Leave the folder for a look.", "保留文件夹以便查看。"),
        "option.warehouse": ("Where the cards go.", "放入哪个仓库。"),
        "option.format": (
            "Card format; without it the sku's; auto guesses.",
            "卡密格式；未给出时用货品的格式；auto 为自动识别。",
        ),
        "option.supplier": ("Where they were bought.", "从哪里采购。"),
        "option.cost": (
            "What one card cost, such as '46.50 CNY'.",
            "每张卡的成本，如 '46.50 CNY'。",
        ),
        "option.expires_at": (
            "When they stop working, where the file does not say it.",
            "有效期，用于文件中没有写明的卡。",
        ),
        "option.provenance": ("Invoice or contract.", "发票或合同。"),
        "option.by": ("Who does this, for the record.", "操作人，记录在案。"),
        "option.why": ("Why, for the record.", "原因，记录在案。"),
        "option.quantity": ("How many are wanted.", "需要的数量。"),
        "option.state": ("Only purchases in this state.", "只列出此状态的采购。"),
        "option.purchases_of": ("Only this supplier's.", "只看此供货商。"),
        "option.restock_dry_run": ("Buy nothing.", "不采购。"),
        "option.charged": (
            "What was charged for all, such as '8.00 CNY'.",
            "总共扣款多少，如 '8.00 CNY'。",
        ),
        "option.bought_cards": (
            "File with the cards that were bought, one a line; - is the standard input.",
            "买到的卡密文件，每行一张；- 表示标准输入。",
        ),
        "option.kind": ("Kind of file.", "文件类型。"),
        "option.encoding": ("Codec, such as gb18030.", "编码，如 gb18030。"),
        "option.delimiter": ("What stands between the cells.", "单元格之间的分隔符。"),
        "option.header": ("Whether the first row names the columns.", "第一行是否为列名。"),
        "option.column": (
            "Where a part is: secret=卡密, number=0. May be repeated.",
            "各部分在哪一列：secret=卡密、number=0。可重复。",
        ),
        "option.comments": ("Skip lines that begin with # or //.", "跳过以 # 或 // 开头的行。"),
        "option.sheet": ("Sheet of a workbook.", "工作簿中的工作表。"),
        "option.dry_run": ("Store nothing.", "不写入任何内容。"),
        "option.report": (
            "Write what became of each row to this file.",
            "把每一行的结果写入此文件。",
        ),
        "option.platform_of_orders": (
            "Platform of the orders; without it each says its own.",
            "订单所属平台；未给出时以订单中的为准。",
        ),
        "option.platform_of_order": (
            "With --order: the order's platform.",
            "与 --order 配合：订单的平台。",
        ),
        "option.order": ("With --platform: the order's number.", "与 --platform 配合：订单号。"),
        "option.reveal": ("Show the cards in plaintext.", "显示卡密明文。"),
        "option.outcome": ("Only orders with a line of this outcome.", "只列出有此结果的订单。"),
        "option.platform": ("Only this platform.", "只看此平台。"),
        "option.contact": ("Only this buyer's, by contact.", "只看此联系方式的买家。"),
        "option.limit": ("At most so many.", "最多这么多。"),
        "option.reason": ("Why, for the record.", "原因，记录在案。"),
        "option.line": ("Only this line.", "只处理这一行。"),
        "option.route": (
            "platform or channel:NAME; without it as before.",
            "platform 或 channel:名称；未给出时沿用之前的方式。",
        ),
        "option.sku": (
            "What the line is, where no rule says it.",
            "没有规则时，指明这一行是什么货品。",
        ),
        "option.refund": ("Ask the platform to pay back.", "请平台退款。"),
        "option.cards": (
            "File with one card a line; - is the standard input.",
            "每行一张卡的文件；- 表示标准输入。",
        ),
        "option.pick": ("Id of a card in stock. May be repeated.", "库存中某张卡的编号。可重复。"),
        "option.note": ("What was done, for a top-up.", "直充时注明做了什么。"),
        "option.every": ("Seconds between two passes.", "两轮之间的秒数。"),
        "option.after": ("Only events after this id.", "只看此编号之后的事件。"),
        "option.since": ("Only orders paid since then.", "只取此时间以后付款的订单。"),
        "option.from": ("Warehouse they leave.", "从哪个仓库移出。"),
        "option.copy_to": (
            "Database URL of the empty store; env:NAME and file:PATH fetch it.",
            "空存储的数据库 URL；可用 env:变量名 或 file:路径 读取。",
        ),
        "option.older_than": (
            "Age of what leaves: 400d, 60w or 36h.",
            "移出多久以前的记录：400d（天）、60w（周）或 36h（小时）。",
        ),
        "option.archive_to": (
            "Folder for the files, at best on another disk.",
            "存放归档文件的文件夹，最好在另一块磁盘上。",
        ),
        "option.archive_order": (
            "Only this order's records.",
            "只看此订单的记录。",
        ),
        "option.archive_reveal": (
            "Show what the buyers wrote, such as contacts.",
            "显示买家填写的内容，如联系方式。",
        ),
        "option.to": ("Warehouse they go to.", "移到哪个仓库。"),
    }
)
