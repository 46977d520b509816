"""ccxt (Python): its unified calls at every market, all markets at once."""

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


async def main():
    # Each book's snapshots block a thread; the client's name look-ups need others.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4 * len(MARKETS)))
    observe()
    await asyncio.gather(*(Steps(market).run() for market in sys.argv[1:] or MARKETS))


asyncio.run(main())
