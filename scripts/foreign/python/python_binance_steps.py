"""python-binance: its public calls, streams and depth cache at Binance spot, USD-M and COIN-M, and
its trading at spot, by REST and by the WebSocket API."""

import asyncio

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.enums import FuturesType
from binance.exceptions import BinanceAPIException

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


KEY = "foreign-python-binance"
LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
         "quantity": "0.01", "price": FAR}
BTC = {"symbol": "BTCUSDT"}


async def refused(code, call):
    try:
        got = await call
    except BinanceAPIException as error:
        return need(error.code == code, f"refused with {error.code}, not {code}")
    raise Wrong(f"not refused: {str(got)[:200]}")


class Trading:
    """One account; each step goes on where the one before it ended."""

    async def place(self, client):
        got = await client.create_order(**LIMIT, newClientOrderId="pb-1", newOrderRespType="FULL")
        self.id = order(got, "pb-1", "NEW")
        await refused(-2010, client.create_order(**LIMIT, newClientOrderId="pb-1"))
        await refused(-1013, client.create_order(**LIMIT | {"price": "50000.001"}))
        need(await client.create_test_order(**LIMIT) == {}, "a test order was answered")

    async def open(self, client):
        rows = await client.get_open_orders(**BTC)
        need([row["orderId"] for row in rows] == [self.id], str(rows)[:200])
        order(await client.get_order(**BTC, orderId=self.id), "pb-1", "NEW")
        order(await client.get_order(**BTC, origClientOrderId="pb-1"), "pb-1", "NEW")
        need(len(await client.get_all_orders(**BTC)) == 1, "more orders than one")

    async def amend(self, client):
        """It has no call of that name; what it has is a cancel and a new order in one."""
        got = await client.cancel_replace_order(
            **LIMIT, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=self.id,
            newClientOrderId="pb-2")
        need((got["cancelResult"], got["newOrderResult"]) == ("SUCCESS", "SUCCESS"), str(got)[:200])
        order(got["cancelResponse"], "pb-1", "CANCELED")
        self.id = int(got["newOrderResponse"]["orderId"])

    async def cancel(self, client):
        got = await client.cancel_order(**BTC, origClientOrderId="pb-2")
        need(order(got, "pb-2", "CANCELED") == self.id, "another order")
        order(await client.get_order(**BTC, orderId=self.id), "pb-2", "CANCELED")
        await refused(-2011, client.cancel_order(**BTC, orderId=self.id))
        await refused(-2013, client.get_order(**BTC, origClientOrderId="nobody"))
        for name in "pb-3", "pb-4":
            await client.create_order(**LIMIT, newClientOrderId=name)
        got = await client.cancel_all_open_orders(**BTC)
        need([row["origClientOrderId"] for row in got] == ["pb-3", "pb-4"], str(got)[:200])

    async def fills(self, client):
        bought = await client.order_market_buy(**BTC, quantity="0.01", newOrderRespType="FULL")
        sold = await client.order_market_sell(**BTC, quantity="0.002", newOrderRespType="FULL")
        ids = filled(bought, "BUY", 0.01), filled(sold, "SELL", 0.002)
        rows = await client.get_my_trades(**BTC)
        own(rows, ids[0], 0.01, True)
        own(rows, ids[1], 0.002, False)
        rows = await client.get_my_trades(**BTC, fromId=rows[-1]["id"] + 1)
        need(rows == [], "trades after the last one")

    async def funds(self, client):
        before = (await client.get_account())["balances"]
        await client.order_market_buy(**BTC, quantity="0.01")
        after = (await client.get_account())["balances"]
        got = free(after, "BTC") - free(before, "BTC")
        need(abs(got - 0.00999) < 1e-7, f"bought 0.01, got {got}")
        price("BTC", (free(before, "USDT") - free(after, "USDT")) / 0.01, "what was paid")
        rights = await client.get_account_api_permissions()
        need(rights["enableSpotAndMarginTrading"] and not rights["enableWithdrawals"], str(rights))

    async def ws_orders(self, client):
        id = order(await client.ws_create_order(**LIMIT, newClientOrderId="pb-5"), "pb-5", "NEW")
        order(await client.ws_get_order(**BTC, orderId=id), "pb-5", "NEW")
        need(len(await client.ws_get_open_orders(**BTC)) == 1, "more open orders than one")
        order(await client.ws_cancel_order(**BTC, orderId=id), "pb-5", "CANCELED")
        await refused(-2011, client.ws_cancel_order(**BTC, orderId=id))
        bought = await client.ws_order_market_buy(**BTC, quantity="0.01", newOrderRespType="FULL")
        filled(bought, "BUY", 0.01)

    async def events(self, client):
        told = Told()
        async with BinanceSocketManager(client).user_socket() as events:
            await client.create_order(**LIMIT, newClientOrderId="pb-6")
            await client.ws_cancel_order(**BTC, origClientOrderId="pb-6")
            await client.order_market_buy(**BTC, quantity="0.01", newClientOrderId="pb-7")
            while not told.whole("pb-6", "pb-7"):
                message = await events.recv()
                told.add(message.get("event", message))

    def run(self):
        def with_client(call):
            async def called():
                client = await AsyncClient.create(KEY, secret(KEY))
                try:
                    return await call(client)
                finally:
                    await client.close_connection()
            return within(called)
        for name, call in {
            "place": self.place, "open": self.open, "amend": self.amend, "cancel": self.cancel,
            "fills": self.fills, "funds": self.funds, "~orders": self.ws_orders,
            "~events": self.events,
        }.items():
            step("binance", name, with_client(call))


for market in MARKETS:
    Steps(market).run()
Trading().run()
