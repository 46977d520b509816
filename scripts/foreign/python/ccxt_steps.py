"""ccxt (Python): its unified calls at every market, all markets at once, and its trading."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import ccxt.pro
from ccxt.async_support.base.ws.client import Client
from ccxt.async_support.base.ws.order_book import OrderBook

from steps import *

# Our name: ccxt's class, a symbol, and what else it is made with. Its checks of sequence numbers are
# on by themselves; its checksum of Kraken is off, and cannot read the numbers that Kraken sends.
KEYS = {"apiKey": "none", "secret": "bm9uZQ==", "password": "none"}  # It wants some for a book.
MARKETS = {
    "binance": ("binance", "{}/USDT", {}),
    "binance-us": ("binanceus", "{}/USDT", {}),
    "binance-usdm": ("binanceusdm", "{}/USDT:USDT", {}),
    "binance-coinm": ("binancecoinm", "{0}/USD:{0}", {}),
    "bitstamp": ("bitstamp", "{}/USD", {}),
    "bybit": ("bybit", "{}/USDT", {}),
    "bybit-linear": ("bybit", "{}/USDT:USDT", {}),
    "coinbase": ("coinbase", "{}/USD", {}),
    "coinbase-exchange": ("coinbaseexchange", "{}/USD", KEYS),
    "deribit": ("deribit", "{0}/USD:{0}", {}),
    "hyperliquid": ("hyperliquid", "{}/USDC:USDC", {}),
    "kraken": ("kraken", "{}/USD", {}),
    "kraken-futures": ("krakenfutures", "{}/USD:USD", {}),
    "okx": ("okx", "{}/USDT", {}),
}
followed = {}  # By exchange.


def observe():
    """Shows each book as each update leaves it, also between two answers of `watch_order_book`."""
    resolve = Client.resolve

    def observed(self, result, message_hash):
        if isinstance(result, OrderBook):
            for exchange, book in followed.items():
                if any(self is client for client in exchange.clients.values()):
                    book.add(result["bids"], result["asks"], result["nonce"] or result["timestamp"])
        return resolve(self, result, message_hash)

    Client.resolve = observed


def ticker(market, step, asked, base, got):
    need(got["symbol"] == asked, f"asked for {asked}, got {got['symbol']}")
    quoted(market, step, base, got["last"], got["bid"], got["ask"])


def trades(asked, base, got):
    traded(got)
    for trade in got:
        need(trade["symbol"] == asked, f"asked for {asked}, got {trade['symbol']}")
        need(trade["side"] in ("buy", "sell"), f"side {trade['side']}")
        need(trade["amount"] > 0, f"amount {trade['amount']}")
        price(base, trade["price"])
    need(abs(got[-1]["timestamp"] / 1000 - time.time()) < 600, "the newest trade is old")


class Steps:
    def __init__(self, market):
        self.market = market
        name, self.symbols, more = MARKETS[market]
        self.exchange = getattr(ccxt.pro, name)({"timeout": 10_000, **more})

    def symbol(self, base):
        return self.symbols.format(base)

    def offered(self, call):
        if not self.exchange.has.get(call):
            raise NotOffered(f"has['{call}'] is {self.exchange.has.get(call)}")

    async def load(self):
        markets = await self.exchange.load_markets()
        for base in STARTS:
            need(self.symbol(base) in markets, f"{self.symbol(base)} is not among "
                 f"{len(markets)} markets: {', '.join(list(markets)[:4])}")
            listed = markets[self.symbol(base)]
            need(listed["active"] is not False, f"{listed['symbol']} is not active")
            need(listed["precision"]["price"], f"{listed['symbol']} has no tick")
            need(listed["precision"]["amount"], f"{listed['symbol']} has no lot")

    async def time(self):
        self.offered("fetchTime")
        clock(await self.exchange.fetch_time())

    async def book(self):
        got = await self.exchange.fetch_order_book(self.symbol("SOL"))
        need(got["symbol"] == self.symbol("SOL"), f"got {got['symbol']}")
        sides("SOL", got["bids"], got["asks"])

    async def trades(self):
        self.offered("fetchTrades")
        trades(self.symbol("SOL"), "SOL", await self.exchange.fetch_trades(self.symbol("SOL")))

    async def ticker(self):
        self.offered("fetchTicker")
        got = await self.exchange.fetch_ticker(self.symbol("SOL"))
        ticker(self.market, "ticker", self.symbol("SOL"), "SOL", got)

    async def tickers(self):
        self.offered("fetchTickers")
        bases = ["SOL"] if self.market == "deribit" else ["SOL", "BTC"]  # One currency per call.
        asked = [self.symbol(base) for base in bases]
        got = await self.exchange.fetch_tickers(asked)
        need(set(got) == set(asked), f"asked for {asked}, got {list(got)[:5]}")
        for base in bases:
            ticker(self.market, "tickers", self.symbol(base), base, got[self.symbol(base)])

    async def watch_book(self):
        self.offered("watchOrderBook")
        book = followed[self.exchange] = Followed(self.market)
        snapshots = asyncio.create_task(asyncio.to_thread(book.watch))
        try:
            while not snapshots.done():
                update = asyncio.ensure_future(
                    self.exchange.watch_order_book(self.symbol("BTC")))
                await asyncio.wait([update, snapshots], return_when=asyncio.FIRST_COMPLETED)
                if not update.done():
                    update.cancel()
                    break
                need(update.result()["symbol"] == self.symbol("BTC"), "another symbol's book")
            await snapshots
            return book.judge()
        finally:
            book.ended.set()
            del followed[self.exchange]

    async def watch_trades(self):
        self.offered("watchTrades")
        trades(self.symbol("ETH"), "ETH", await self.exchange.watch_trades(self.symbol("ETH")))

    async def watch_ticker(self):
        self.offered("watchTicker")
        got = await self.exchange.watch_ticker(self.symbol("SOL"))
        ticker(self.market, "~ticker", self.symbol("SOL"), "SOL", got)

    async def run(self):
        try:
            for name, call in {
                "markets": self.load, "time": self.time, "book": self.book, "trades": self.trades,
                "ticker": self.ticker, "tickers": self.tickers, "~book": self.watch_book,
                "~trades": self.watch_trades, "~ticker": self.watch_ticker,
            }.items():
                await astep(self.market, name, call)
        finally:
            await self.exchange.close()


class Trading:
    """One account at one exchange; each step goes on where the one before it ended."""

    NAME = "clientOrderId"  # What an order's own name is called.

    def __init__(self):
        key = "foreign-ccxt"
        self.exchange = ccxt.pro.binance({
            "timeout": 10_000, "apiKey": key, "secret": secret(key),
            "options": {"fetchMarkets": {"types": ["spot"]}}})

    async def refused(self, error, call):
        try:
            got = await call
        except error:
            return
        raise Wrong(f"not refused: {str(got)[:200]}")

    async def make(self, price=float(FAR), **params):
        return await self.exchange.create_order(PAIR, "limit", "buy", 0.01, price, params)

    def limit(self, got, name, status):
        for field, value in {
            "symbol": PAIR, "side": "buy", "type": "limit", "status": status, "amount": 0.01,
            "price": float(FAR),
        }.items():
            need(got[field] == value, f"{field} is {got[field]}, not {value}")
        named = {**got["info"], **got}[self.NAME]
        need(named == name, f"{self.NAME} is {named}, not {name}")
        return got["id"]

    async def place(self):
        listed = await self.exchange.load_markets()
        need(PAIR in listed and self.exchange.currencies["BTC"], "no currencies")
        self.id = self.limit(await self.make(clientOrderId="cc-1"), "cc-1", "open")
        await self.refused(ccxt.InvalidOrder, self.make(clientOrderId="cc-1"))
        poor = self.exchange.create_order(PAIR, "limit", "sell", 1_001, 8_900)  # It has 1,000.
        await self.refused(ccxt.InsufficientFunds, poor)
        await self.refused(ccxt.OrderImmediatelyFillable, self.make(90_000, postOnly=True))

    async def open(self):
        got = await self.exchange.fetch_open_orders(PAIR)
        need([one["id"] for one in got] == [self.id], str(got)[:200])
        self.limit(await self.exchange.fetch_order(self.id, PAIR), "cc-1", "open")
        need(len(await self.exchange.fetch_orders(PAIR)) == 1, "more orders than one")

    async def amend(self):
        """A cancel and a new order in one: ccxt has no other at spot."""
        got = await self.exchange.edit_order(self.id, PAIR, "limit", "buy", 0.01, 49_000)
        need((got["price"], got["status"]) == (49_000, "open"), str(got)[:200])
        need(got["id"] != self.id, "the same order")
        self.id = got["id"]

    async def cancel(self):
        await self.exchange.cancel_order(self.id, PAIR)
        got = await self.exchange.fetch_order(self.id, PAIR)
        need(got["status"] == "canceled", str(got)[:200])
        await self.refused(ccxt.OrderNotFound, self.exchange.cancel_order(self.id, PAIR))
        await self.make()
        await self.exchange.cancel_all_orders(PAIR)
        need(await self.exchange.fetch_open_orders(PAIR) == [], "some are open still")

    async def fills(self):
        bought = await self.exchange.create_order(PAIR, "market", "buy", 0.01)
        need((bought["status"], bought["filled"]) == ("closed", 0.01), str(bought)[:200])
        price("BTC", bought["average"], "average")
        spent = await self.exchange.create_market_buy_order_with_cost(PAIR, 1_000)
        need(990 < spent["cost"] <= 1_000, f"cost {spent['cost']}")
        got = await self.exchange.fetch_my_trades(PAIR)
        got = [trade for trade in got if trade["order"] == bought["id"]]
        need(abs(sum(trade["amount"] for trade in got) - 0.01) < 1e-9, str(got)[:200])
        fee = got[0]["fee"]
        need((fee["currency"], got[0]["takerOrMaker"]) == ("BTC", "taker"), str(got[0])[:300])
        need(abs(fee["cost"] - got[0]["amount"] / 1000) < 1e-8, f"fee {fee}")

    async def funds(self):
        before = await self.exchange.fetch_balance()
        await self.make()
        after = await self.exchange.fetch_balance()
        need(abs(after["USDT"]["used"] - 500) < 1e-6, f"used {after['USDT']['used']}")
        need(abs(after["USDT"]["total"] - before["USDT"]["total"]) < 1e-6, "the total changed")
        await self.exchange.cancel_all_orders(PAIR)
        fees = await self.exchange.fetch_trading_fees()
        need(fees[PAIR]["taker"] == 0.001, str(fees[PAIR])[:200])

    async def ws_orders(self):
        params = {"clientOrderId": "cc-2"}
        make = self.exchange.create_order_ws
        got = await make(PAIR, "limit", "buy", 0.01, float(FAR), params)
        id = self.limit(got, "cc-2", "open")
        got = await self.exchange.fetch_open_orders_ws(PAIR)
        need([one["id"] for one in got] == [id], str(got)[:200])
        self.limit(await self.exchange.fetch_order_ws(id, PAIR), "cc-2", "open")
        got = await self.exchange.cancel_order_ws(id, PAIR)
        need(got["status"] == "canceled", str(got)[:200])
        bought = await make(PAIR, "market", "buy", 0.01)
        need(bought["status"] == "closed", str(bought)[:200])
        got = await self.exchange.fetch_my_trades_ws(PAIR)
        need(any(trade["order"] == bought["id"] for trade in got), "not among its trades")

    async def ws_funds(self):
        got = await self.exchange.fetch_balance_ws()
        need("BTC" in got and got["BTC"]["free"] > 0, "no BTC among its balances")

    async def told(self, watch, is_wanted):
        """Waits from now on for what a stream tells; `await` what this gives for the wanted one. ccxt
        forgets what is told while nobody waits, and does not say when it is subscribed."""
        async def wait():
            while True:
                for one in await watch(PAIR):
                    if is_wanted(one):
                        return one

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0.5)
        return waiting

    async def orders_told(self):
        orders, trades = self.exchange.watch_orders, self.exchange.watch_my_trades
        opened = await self.told(orders, lambda order: order["status"] == "open")
        await self.make(**{self.NAME: "cc-3"})
        id = self.limit(await opened, "cc-3", "open")
        ended = await self.told(orders, lambda order: order["status"] == "canceled")
        await self.exchange.cancel_order(id, PAIR)
        need((await ended)["id"] == id, "another order ended")
        traded = await self.told(trades, lambda _: True)
        bought = await self.exchange.create_order(PAIR, "market", "buy", 0.01)
        need((await traded)["order"] == bought["id"], "another order traded")

    async def events(self):
        await self.orders_told()
        balance = asyncio.ensure_future(self.exchange.watch_balance())
        await asyncio.sleep(0.5)
        await self.exchange.create_order(PAIR, "market", "buy", 0.01)
        got = await balance
        while "BTC" not in got:  # What the buy before it took may have been told first.
            got = await self.exchange.watch_balance()
        need(got["BTC"]["free"] > 0, "no BTC")

    async def run(self):
        try:
            for name, call in {
                "place": self.place, "open": self.open, "amend": self.amend,
                "cancel": self.cancel, "fills": self.fills, "funds": self.funds,
                "~orders": self.ws_orders, "~funds": self.ws_funds, "~events": self.events,
            }.items():
                await astep("binance", name, call)
        finally:
            await self.exchange.close()


class Labelled(Trading):
    """The same at Deribit: labels instead of client ids, and an edit that keeps the order."""

    NAME = "label"

    def __init__(self):
        key = "foreign-ccxt"
        self.exchange = ccxt.pro.deribit(
            {"timeout": 10_000, "apiKey": key, "secret": secret(key)})

    async def place(self):
        listed = await self.exchange.load_markets()
        need(PAIR in listed and listed[PAIR]["spot"], "no spot pair")
        self.id = self.limit(await self.make(label="cc-1", postOnly=True), "cc-1", "open")
        poor = self.exchange.create_order(PAIR, "limit", "sell", 1_001, 90_000)  # It has 1,000.
        await self.refused(ccxt.InsufficientFunds, poor)
        await self.refused(ccxt.InvalidOrder, self.make(90_000, postOnly=True))

    async def open(self):
        got = await self.exchange.fetch_open_orders(PAIR)
        need([one["id"] for one in got] == [self.id], str(got)[:200])
        self.limit(await self.exchange.fetch_order(self.id, PAIR), "cc-1", "open")

    async def amend(self):
        edit = self.exchange.edit_order
        got = await edit(self.id, PAIR, "limit", "buy", 0.006, float(FAR))
        need((got["id"], got["amount"]) == (self.id, 0.006), str(got)[:200])

    async def cancel(self):
        got = await self.exchange.cancel_order(self.id, PAIR)
        need(got["status"] == "canceled", str(got)[:200])
        await self.refused(ccxt.InvalidOrder, self.exchange.cancel_order(self.id, PAIR))
        await self.make()
        await self.exchange.cancel_all_orders(PAIR)
        need(await self.exchange.fetch_open_orders(PAIR) == [], "some are open still")

    async def fills(self):
        bought = await self.exchange.create_order(PAIR, "market", "buy", 0.01)
        need((bought["status"], bought["filled"]) == ("closed", 0.01), str(bought)[:200])
        price("BTC", bought["average"], "average")
        got = await self.exchange.fetch_my_trades(PAIR)
        got = [trade for trade in got if trade["order"] == bought["id"]]
        need(abs(sum(trade["amount"] for trade in got) - 0.01) < 1e-9, str(got)[:200])
        fee = got[0]["fee"]
        need((fee["currency"], got[0]["takerOrMaker"]) == ("BTC", "taker"), str(got[0])[:300])
        need(abs(fee["cost"] - got[0]["amount"] / 2_000) < 1e-8, f"fee {fee}")
        ended = await self.exchange.fetch_closed_orders(PAIR)
        need(bought["id"] in [one["id"] for one in ended], "not among its ended orders")

    async def funds(self):
        got = await self.exchange.fetch_balance()
        need(got["BTC"]["free"] > 1_000 and got["USDT"]["free"] > 0, str(got["BTC"]))

    async def run(self):
        try:
            for name, call in {
                "place": self.place, "open": self.open, "amend": self.amend,
                "cancel": self.cancel, "fills": self.fills, "funds": self.funds,
                "~events": self.orders_told,
            }.items():
                await astep("deribit", name, call)
        finally:
            await self.exchange.close()


PAIR = "BTC/USDT"


async def main():
    # Each book's snapshots block a thread; the client's name look-ups need others.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4 * len(MARKETS)))
    observe()
    asked = sys.argv[1:] or MARKETS
    trading = {"binance": Trading, "deribit": Labelled}
    trading = [make().run() for market, make in trading.items() if market in asked]
    await asyncio.gather(*(Steps(market).run() for market in asked), *trading)


asyncio.run(main())
