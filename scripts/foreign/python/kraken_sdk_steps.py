"""python-kraken-sdk: public calls and streams, spot and futures; its book checks the checksum."""

import asyncio

from kraken.futures import FuturesWSClient
from kraken.futures import Market as Futures
from kraken.spot import Market as Spot
from kraken.spot import SpotOrderBookClient, SpotWSClient

from steps import *

SPOT, FUTURES = "kraken", "kraken-futures"


def spot_markets():
    got = spot.get_asset_pairs(pair="SOL/USD")
    need(len(got) == 1, f"asked for SOL/USD, got {list(got)[:5]}")
    row = next(iter(got.values()))
    need(row["wsname"] == "SOL/USD" and row["pair_decimals"] > 0, str(row))
    need(len(spot.get_asset_pairs()) >= 3, "all are few")
    need(spot.get_assets(), "no assets")


def only(got, asked):
    need(len(got) == 1, f"asked for {asked}, got {list(got)[:5]}")
    return next(iter(got.values()))


def spot_book():
    got = only(spot.get_order_book(pair="SOLUSD", count=20), "SOLUSD")
    sides("SOL", got["bids"], got["asks"])


def spot_trades():
    got = spot.get_recent_trades(pair="SOLUSD")
    need(got.pop("last", None), "no last")
    trades = only(got, "SOLUSD")
    traded(trades)
    for trade in trades:
        price("SOL", trade[0])


def spot_ticker():
    row = only(spot.get_ticker(pair="SOLUSD"), "SOLUSD")
    for field in "abc":
        price("SOL", row[field][0], field)


def spot_tickers():
    need(len(spot.get_ticker()) >= 3, "all are few")


async def spot_stream(params, find):
    got = asyncio.Queue()
    client = SpotWSClient(callback=got.put, no_public=False)
    await client.start()
    try:
        await client.subscribe(params=params)
        while True:
            message = await got.get()
            need(message.get("success") is not False, message.get("error"))
            if message.get("channel") == params["channel"] and message.get("data"):
                return find(message["data"])
    finally:
        await client.close()


async def spot_watch_trades():
    def find(data):
        for trade in data:
            need(trade["symbol"] == "ETH/USD", str(trade))
            price("ETH", trade["price"])
    await spot_stream({"channel": "trade", "symbol": ["ETH/USD"]}, find)


async def spot_watch_ticker():
    def find(data):
        need(data[0]["symbol"] == "SOL/USD", str(data))
        for field in ("last", "bid", "ask"):
            price("SOL", data[0][field], field)
    await spot_stream({"channel": "ticker", "symbol": ["SOL/USD"]}, find)


async def spot_watch_book():
    followed = Followed(SPOT)

    class Book(SpotOrderBookClient):
        async def on_book_update(self, pair, message):
            book = self.get(pair=pair)
            if not book["valid"]:
                followed.wrong = Wrong("its checksum differs")
            followed.add(*([(px, qty) for px, (qty, _) in book[side].items()]
                           for side in ("bid", "ask")))

    client = Book(depth=10)
    await client.start()
    try:
        await client.add_book(pairs=["BTC/USD"])
        await asyncio.to_thread(followed.watch)
        return followed.judge()
    finally:
        await client.close()


def futures_markets():
    rows = {row["symbol"]: row for row in futures.get_instruments()["instruments"]}
    need(rows["PF_SOLUSD"]["tradeable"], str(rows["PF_SOLUSD"]))
    need(rows["PF_SOLUSD"]["tickSize"] > 0, "no tick")


def futures_book():
    got = futures.get_orderbook(symbol="PF_SOLUSD")["orderBook"]
    sides("SOL", sorted(got["bids"], reverse=True), sorted(got["asks"]))


def futures_trades():
    got = futures.get_trade_history(symbol="PF_SOLUSD")["history"]
    traded(got)
    for trade in got:
        price("SOL", trade["price"])


def futures_tickers():
    rows = {row["symbol"]: row for row in futures.get_tickers()["tickers"]}
    for base, symbol in {"BTC": "PF_XBTUSD", "SOL": "PF_SOLUSD"}.items():
        for field in ("last", "bid", "ask"):
            price(base, rows[symbol].get(field), field)


async def futures_stream(feed, product, find):
    got = asyncio.Queue()
    client = FuturesWSClient(callback=got.put)
    await client.start()
    try:
        await client.subscribe(feed=feed, products=[product])
        while True:
            message = await got.get()
            need(message.get("event") != "error", message.get("message"))
            if str(message.get("feed", "")).startswith(feed) and "event" not in message \
                    and find(message):
                return
    finally:
        await client.close()


async def futures_watch_trades():
    def find(message):
        trades = message.get("trades", [message])
        need(trades, "an empty snapshot of trades")
        for trade in trades:
            need(trade["product_id"] == "PF_ETHUSD", str(trade))
            price("ETH", trade["price"])
        return True
    await futures_stream("trade", "PF_ETHUSD", find)


async def futures_watch_ticker():
    def find(message):
        need(message["product_id"] == "PF_SOLUSD", str(message))
        for field in ("last", "bid", "ask"):
            price("SOL", message.get(field), field)
        return True
    await futures_stream("ticker", "PF_SOLUSD", find)


spot, futures = Spot(), Futures()
step(SPOT, "markets", spot_markets)
step(SPOT, "book", spot_book)
step(SPOT, "trades", spot_trades)
step(SPOT, "ticker", spot_ticker)
step(SPOT, "tickers", spot_tickers)
step(FUTURES, "markets", futures_markets)
step(FUTURES, "book", futures_book)
step(FUTURES, "trades", futures_trades)
step(FUTURES, "tickers", futures_tickers)
step(SPOT, "~book", within(spot_watch_book))
step(SPOT, "~trades", within(spot_watch_trades))
step(SPOT, "~ticker", within(spot_watch_ticker))
step(FUTURES, "~trades", within(futures_watch_trades))
step(FUTURES, "~ticker", within(futures_watch_ticker))
