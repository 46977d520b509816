"""python-binance: its public calls, streams and depth cache at Binance spot, USD-M and COIN-M."""

import asyncio

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.enums import FuturesType

from steps import *

# Our name: the prefix of its calls, a symbol, and what its streams are asked for.
MARKETS = {
    "binance": ("get_", "{}USDT", None),
    "binance-usdm": ("futures_", "{}USDT", FuturesType.USD_M),
    "binance-coinm": ("futures_coin_", "{}USD_PERP", FuturesType.COIN_M),
}


class Steps:
    def __init__(self, market):
        self.market = market
        self.prefix, self.symbols, self.futures = MARKETS[market]

    def call(self, client, name):
        if name == "time" and not self.futures:
            name = "server_time"
        call = getattr(client, self.prefix + name, None)
        if call is None:
            raise NotOffered(f"no {self.prefix}{name}")
        return call

    def symbol(self, base):
        return self.symbols.format(base)

    async def one(self, call, fields):
        row = await call(symbol=self.symbol("SOL"))
        if isinstance(row, list) and self.market == "binance-coinm":
            need(len(row) == 1, f"{len(row)} rows for one symbol")
            row = row[0]  # Documented there as a list.
        need(isinstance(row, dict), f"{call.__name__}: one symbol answered with a list")
        need(row["symbol"] == self.symbol("SOL"), f"got {row['symbol']}")
        for field in fields:
            price("SOL", row.get(field), field)

    async def markets(self, client):
        rows = (await self.call(client, "exchange_info")())["symbols"]
        row = next((row for row in rows if row["symbol"] == self.symbol("SOL")), None)
        need(row, f"{self.symbol('SOL')} is not among {len(rows)}")
        need(any(f["filterType"] == "PRICE_FILTER" for f in row["filters"]), "no PRICE_FILTER")

    async def time(self, client):
        clock((await self.call(client, "time")())["serverTime"])

    async def book(self, client):
        got = await self.call(client, "order_book")(symbol=self.symbol("SOL"), limit=20)
        sides("SOL", got["bids"], got["asks"])

    async def trades(self, client):
        for name, px in ("recent_trades", "price"), ("aggregate_trades", "p"):
            got = await self.call(client, name)(symbol=self.symbol("SOL"))
            need(got, f"{name}: none")
            for trade in got:
                price("SOL", trade[px])

    async def ticker(self, client):
        await self.one(self.call(client, "ticker"), ["lastPrice"])
        await self.one(self.call(client, "symbol_ticker"), ["price"])
        await self.one(self.call(client, "orderbook_ticker"), ["bidPrice", "askPrice"])

    async def tickers(self, client):
        rows = {row["symbol"]: row for row in await self.call(client, "ticker")()}
        for base in STARTS:
            price(base, rows[self.symbol(base)]["lastPrice"])

    async def stream(self, client, name, find):
        manager = BinanceSocketManager(client)
        if self.futures:
            socket = manager.futures_multiplex_socket([name], futures_type=self.futures)
        else:
            socket = manager.multiplex_socket([name])
        async with socket as messages:
            while True:
                message = await messages.recv()
                need(message.get("e") != "error", str(message))
                if message.get("data"):
                    return find(message["data"])

    async def watch_trades(self, client):
        def find(trade):
            need(trade["s"] == self.symbol("ETH"), str(trade))
            price("ETH", trade["p"])
        await self.stream(client, f"{self.symbol('ETH').lower()}@aggTrade", find)

    async def watch_ticker(self, client):
        def find(row):
            need(row["s"] == self.symbol("SOL"), str(row))
            price("SOL", row["c"], "last")
        await self.stream(client, f"{self.symbol('SOL').lower()}@ticker", find)

    async def watch_book(self, client):
        if self.futures:
            raise NotOffered("its cache of futures keeps only what the last update changed")
        followed = Followed(self.market)
        watching = asyncio.create_task(asyncio.to_thread(followed.watch))
        manager = DepthCacheManager(client, symbol=self.symbol("BTC"), ws_interval=100)
        async with manager as caches:
            while not watching.done():
                cache = await caches.recv()
                need(not isinstance(cache, dict), str(cache))
                if cache:
                    followed.add(cache.get_bids(), cache.get_asks(), manager._last_update_id)
        await watching
        return followed.judge()

    def run(self):
        def with_client(call):
            async def called():
                client = await AsyncClient.create()
                try:
                    return await call(client)
                finally:
                    await client.close_connection()
            return within(called)
        for name, call in {
            "markets": self.markets, "time": self.time, "book": self.book, "trades": self.trades,
            "ticker": self.ticker, "tickers": self.tickers, "~book": self.watch_book,
            "~trades": self.watch_trades, "~ticker": self.watch_ticker,
        }.items():
            step(self.market, name, with_client(call))

for market in MARKETS:
    Steps(market).run()
