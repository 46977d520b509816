"""python-okx, OKX's own SDK: its public calls and streams."""

import asyncio

from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.websocket.WsPublicAsync import WsPublicAsync

from steps import *

MARKET = "okx"
URL = "wss://ws.okx.com:8443/ws/v5/public"


def data(answer):
    need(answer["code"] == "0", f"{answer['code']} {answer['msg']}")
    return answer["data"]


def instruments():
    rows = data(public.get_instruments(instType="SPOT", instId="SOL-USDT"))
    need([row["instId"] for row in rows] == ["SOL-USDT"], f"got {str(rows)[:100]}")
    need(rows[0]["state"] == "live" and float(rows[0]["tickSz"]) > 0, str(rows[0]))
    need(len(data(public.get_instruments(instType="SPOT"))) >= 3, "all are few")


def book():
    got = data(market.get_orderbook(instId="SOL-USDT", sz="20"))[0]
    sides("SOL", got["bids"], got["asks"])


def trades():
    got = data(market.get_trades(instId="SOL-USDT"))
    traded(got)
    for trade in got:
        need(trade["instId"] == "SOL-USDT" and trade["side"] in ("buy", "sell"), str(trade))
        price("SOL", trade["px"])


def check(row, base):
    need(row["instId"] == f"{base}-USDT", f"got {row['instId']}")
    for field in ("last", "bidPx", "askPx"):
        price(base, row[field], field)


def ticker():
    rows = data(market.get_ticker(instId="SOL-USDT"))
    need(len(rows) == 1, f"{len(rows)} rows")
    check(rows[0], "SOL")


def tickers():
    rows = {row["instId"]: row for row in data(market.get_tickers(instType="SPOT"))}
    for base in STARTS:
        check(rows[f"{base}-USDT"], base)


async def stream(channel, inst, s, handle):
    """Hands each message with data to `handle` until it is content."""
    client = WsPublicAsync(url=URL)
    reader = await client.start()
    done = asyncio.get_running_loop().create_future()

    def told(text):
        message = json.loads(text) if text.startswith("{") else {}
        try:
            need(message.get("event") != "error", message.get("msg"))
            if message.get("data") and handle(message) and not done.done():
                done.set_result(None)
        except Exception as error:
            done.done() or done.set_exception(error)
    await client.subscribe([{"channel": channel, "instId": inst}], callback=told)
    try:
        await asyncio.wait_for(done, s)
    finally:
        reader.cancel()


async def watch_trades():
    def handle(message):
        for trade in message["data"]:
            need(trade["instId"] == "ETH-USDT", str(trade))
            price("ETH", trade["px"])
        return True
    await stream("trades", "ETH-USDT", STEP_S, handle)


async def watch_ticker():
    def handle(message):
        check(message["data"][0], "SOL")
        return True
    await stream("tickers", "SOL-USDT", STEP_S, handle)


async def watch_book():
    """The SDK hands messages on and keeps no book: the best five come whole."""
    followed = Followed(MARKET)

    def handle(message):
        followed.add(message["data"][0]["bids"], message["data"][0]["asks"])
    watching = asyncio.create_task(asyncio.to_thread(followed.watch))
    following = asyncio.create_task(stream("books5", "BTC-USDT", 60, handle))
    await asyncio.wait([watching, following], return_when=asyncio.FIRST_COMPLETED)
    followed.ended.set()
    if following.done():
        await following
    following.cancel()
    await watching
    return followed.judge()


public, market = PublicAPI(flag="0"), MarketAPI(flag="0")
step(MARKET, "markets", instruments)
step(MARKET, "time", lambda: clock(data(public.get_system_time())[0]["ts"]))
step(MARKET, "book", book)
step(MARKET, "trades", trades)
step(MARKET, "ticker", ticker)
step(MARKET, "tickers", tickers)
step(MARKET, "~book", within(watch_book))
step(MARKET, "~trades", within(watch_trades))
step(MARKET, "~ticker", within(watch_ticker))
