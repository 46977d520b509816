"""coinbase-advanced-py, Coinbase's own SDK: its public calls and streams."""

from coinbase.rest import RESTClient
from coinbase.websocket import WSClient

from steps import *

MARKET = "coinbase"


def products():
    row = rest.get_public_product("SOL-USD")
    need(row["product_id"] == "SOL-USD" and float(row["quote_increment"]) > 0, "no tick")
    price("SOL", row["price"])
    every = rest.get_public_products()["products"]
    need({"BTC-USD", "ETH-USD", "SOL-USD"} <= {row["product_id"] for row in every}, "not all")
    chosen = rest.get_public_products(product_ids=["SOL-USD"])["products"]
    need([row["product_id"] for row in chosen] == ["SOL-USD"], f"chose {len(chosen)}")


def book():
    got = rest.get_public_product_book("SOL-USD", limit=20)["pricebook"]
    need(got["product_id"] == "SOL-USD", f"got {got['product_id']}")
    sides("SOL", *([(level["price"], level["size"]) for level in got[side]]
                   for side in ("bids", "asks")))


def trades():
    got = rest.get_public_market_trades("SOL-USD", limit=20)
    traded(got["trades"])
    for trade in got["trades"]:
        need(trade["product_id"] == "SOL-USD" and trade["side"] in ("BUY", "SELL"), str(trade))
        price("SOL", trade["price"])
    price("SOL", got["best_bid"], "bid")
    price("SOL", got["best_ask"], "ask")


class Stream:
    """A client that is subscribed to one channel of one product, heartbeats beside it."""

    def __init__(self, channel, product, handle=None):
        self.got = queue.Queue()
        self.client = WSClient(on_message=handle or self.got.put, retry=False)
        self.channel, self.product = channel, product

    def __enter__(self):
        self.client.open()
        self.client.subscribe(product_ids=[self.product], channels=[self.channel, "heartbeats"])
        return self

    def __exit__(self, *_):
        self.client.close()

    def events(self, channel):
        def find(text):
            message = json.loads(text)
            need(message.get("type") != "error", message.get("message"))
            return message["channel"] == channel and message["events"]
        return take(self.got, find)


def watch_trades():
    with Stream("market_trades", "ETH-USD") as stream:
        events = stream.events("market_trades")
        need(events[0]["trades"], "an empty snapshot of trades")
        for trade in events[0]["trades"]:
            need(trade["product_id"] == "ETH-USD", str(trade))
            price("ETH", trade["price"])
        stream.events("heartbeats")


def watch_ticker():
    with Stream("ticker", "SOL-USD") as stream:
        row = stream.events("ticker")[0]["tickers"][0]
        need(row["product_id"] == "SOL-USD", str(row))
        for field in ("price", "best_bid", "best_ask"):
            price("SOL", row.get(field), field)


def watch_book():
    """The SDK hands messages on: the book here is the few lines that its users write."""
    followed, levels = Followed(MARKET), {"bid": {}, "offer": {}}

    def handle(text):
        message = json.loads(text)
        for event in message.get("events", []) if message.get("channel") == "l2_data" else []:
            for update in event["updates"]:
                px, qty = float(update["price_level"]), float(update["new_quantity"])
                if qty:
                    levels[update["side"]][px] = qty
                else:
                    levels[update["side"]].pop(px, None)
            followed.add(sorted(levels["bid"].items(), reverse=True),
                         sorted(levels["offer"].items()))
    with Stream("level2", "BTC-USD", handle):
        followed.watch()
    return followed.judge()

rest = RESTClient(timeout=10)
step(MARKET, "markets", products)
step(MARKET, "time", lambda: clock(rest.get_unix_time()["epoch_millis"]))
step(MARKET, "book", book)
step(MARKET, "trades", trades)
step(MARKET, "~book", watch_book)
step(MARKET, "~trades", watch_trades)
step(MARKET, "~ticker", watch_ticker)
