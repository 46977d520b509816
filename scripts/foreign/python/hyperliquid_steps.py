"""hyperliquid-python-sdk, Hyperliquid's own: its public calls and streams."""

import os

from hyperliquid.info import Info

from steps import *

MARKET = "hyperliquid"
info = None


def meta():
    global info
    info = Info()
    coins = {coin["name"]: coin for coin in info.meta()["universe"]}
    need(set(STARTS) <= set(coins), f"coins are {list(coins)[:5]}")
    need(coins["SOL"]["szDecimals"] >= 0, "no decimals")
    info.spot_meta()
    universe, contexts = info.meta_and_asset_ctxs()
    need(len(universe["universe"]) == len(contexts), "a context for each coin")


def ready():
    need(info, "the client could not be made")
    return info


def book():
    got = ready().l2_snapshot("SOL")
    need(got["coin"] == "SOL", f"got {got['coin']}")
    sides("SOL", *([(level["px"], level["sz"]) for level in side] for side in got["levels"]))


def mids():
    got = ready().all_mids()
    for base in STARTS:
        price(base, got[base], "mid")


def stream(subscription, find):
    got = queue.Queue()
    number = ready().subscribe(subscription, got.put)
    try:
        return take(got, lambda message: find(message["data"]))
    finally:
        info.unsubscribe(subscription, number)


def watch_trades():
    for trade in stream({"type": "trades", "coin": "ETH"}, lambda data: data):
        need(trade["coin"] == "ETH" and trade["side"] in "AB", str(trade))
        price("ETH", trade["px"])


def watch_ticker():
    data = stream({"type": "bbo", "coin": "SOL"}, lambda data: data)
    need(data["coin"] == "SOL", str(data))
    price("SOL", data["bbo"][0]["px"], "bid")
    data = stream({"type": "activeAssetCtx", "coin": "SOL"}, lambda data: data)
    need(data["coin"] == "SOL", str(data))
    price("SOL", data["ctx"]["midPx"], "mid")
    mids = stream({"type": "allMids"}, lambda data: data["mids"])
    price("BTC", mids["BTC"], "mid")


def watch_book():
    followed = Followed(MARKET)

    def add(message):
        followed.add(*([(level["px"], level["sz"]) for level in side]
                       for side in message["data"]["levels"]), message["data"]["time"])
    ready().subscribe({"type": "l2Book", "coin": "BTC"}, add)
    followed.watch()
    return followed.judge()

step(MARKET, "markets", meta)
step(MARKET, "book", book)
step(MARKET, "tickers", mids)
step(MARKET, "~book", watch_book)
step(MARKET, "~trades", watch_trades)
step(MARKET, "~ticker", watch_ticker)
sys.stdout.flush()
os._exit(0)  # Its threads are no daemons.
