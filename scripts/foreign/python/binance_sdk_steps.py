"""binance-sdk-spot, Binance's own: REST, WebSocket API and streams."""

import asyncio

from binance_sdk_spot.spot import ConfigurationRestAPI, ConfigurationWebSocketAPI, Spot
from binance_sdk_spot.spot import ConfigurationWebSocketStreams

from steps import *

MARKET = "binance"


def body(answer):
    """The model as plain values, by the names on the wire."""
    data = answer.data() if callable(answer.data) else answer.data
    data = getattr(data, "actual_instance", None) or data
    if isinstance(data, list):
        return [row.to_dict() for row in data]
    return data if isinstance(data, dict) else data.to_dict()


def symbols():
    rows = body(rest.exchange_info(symbol="SOLUSDT"))["symbols"]
    need([row["symbol"] for row in rows] == ["SOLUSDT"], f"got {len(rows)} symbols")
    need(rows[0]["status"] == "TRADING", str(rows[0])[:100])
    need(len(body(rest.exchange_info())["symbols"]) >= 3, "all are few")


def book():
    got = body(rest.depth(symbol="SOLUSDT", limit=20))
    sides("SOL", got["bids"], got["asks"])


def trades():
    for got in (body(rest.get_trades(symbol="SOLUSDT")),):
        traded(got)
        for trade in got:
            price("SOL", trade["price"])
    got = body(rest.agg_trades(symbol="SOLUSDT"))
    need(got, "no aggregate trades")
    for trade in got:
        price("SOL", trade["p"])


def ticker():
    for field, call in {
        "lastPrice": rest.ticker24hr, "price": rest.ticker_price, "bidPrice": rest.ticker_book_ticker,
    }.items():
        row = body(call(symbol="SOLUSDT"))
        row = row.get("actual_instance", row) if isinstance(row, dict) else row
        need(isinstance(row, dict), f"{call.__name__}: one symbol answered with a list")
        need(row["symbol"] == "SOLUSDT", f"got {row['symbol']}")
        price("SOL", row[field], field)


async def api():
    """The WebSocket API; its request ids are UUIDs with hyphens."""
    connection = await made().websocket_api.create_connection()
    try:
        got = body(await connection.time())
        need("result" in got, f"time: {got}")
        clock(got["result"]["serverTime"])
        got = body(await connection.depth(symbol="SOLUSDT", limit=20))
        need("result" in got, f"depth: {got}")
        sides("SOL", got["result"]["bids"], got["result"]["asks"])
    finally:
        await connection.close_connection(close_session=True)


async def stream(name, find, s=STEP_S, **params):
    got = asyncio.Queue()
    connection = await made().websocket_streams.create_connection()
    try:
        handle = await getattr(connection, name)(**params)
        handle.on("message", got.put_nowait)

        async def first():
            while not find((await got.get()).to_dict()):
                pass
        await asyncio.wait_for(first(), s)
    finally:
        await connection.close_connection(close_session=True)


async def watch_trades():
    for name in ("trade", "agg_trade"):
        def find(trade):
            need(trade["s"] == "ETHUSDT", str(trade))
            price("ETH", trade["p"])
            return True
        try:
            await stream(name, find, symbol="ethusdt")
        except asyncio.TimeoutError:
            raise Wrong(f"{name}: nothing within {STEP_S} s") from None


async def watch_ticker():
    def find(row):
        need(row["s"] == "SOLUSDT", str(row))
        for field in ("c", "b", "a"):
            price("SOL", row[field], field)
        return True
    await stream("ticker", find, symbol="solusdt")


async def watch_book():
    """The SDK keeps no book: the best five come whole ten times a second."""
    followed = Followed(MARKET)

    def find(message):
        followed.add(message["bids"], message["asks"], message["lastUpdateId"])
    following = asyncio.create_task(stream(
        "partial_book_depth", find, 60, symbol="btcusdt", levels="5", update_speed="100ms"))
    watching = asyncio.create_task(asyncio.to_thread(followed.watch))
    await asyncio.wait([watching, following], return_when=asyncio.FIRST_COMPLETED)
    followed.ended.set()
    if following.done():
        await following
    following.cancel()
    await watching
    return followed.judge()


def made():
    """A client; its streams each take their own."""
    return Spot(config_rest_api=ConfigurationRestAPI(retries=0, timeout=10_000),
                config_ws_api=ConfigurationWebSocketAPI(),
                config_ws_streams=ConfigurationWebSocketStreams())


rest = made().rest_api
step(MARKET, "markets", symbols)
step(MARKET, "time", lambda: clock(body(rest.time())["serverTime"]))
step(MARKET, "book", book)
step(MARKET, "trades", trades)
step(MARKET, "ticker", ticker)
step(MARKET, "tickers", lambda: need(len(body(rest.ticker24hr())) >= 3, "all are few"))
step(MARKET, "api", within(api))
step(MARKET, "~book", within(watch_book))
step(MARKET, "~trades", within(watch_trades))
step(MARKET, "~ticker", within(watch_ticker))
