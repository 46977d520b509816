// Boost.Beast and simdjson on demand: asynchronous reads on one thread, and a book of two flat
// arrays for each pair. No sequence, no snapshot, no limit.
//
// beast ADDR CA PAIRS LOGON spin|park

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <simdjson.h>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using Tcp = asio::ip::tcp;
using Socket = websocket::stream<beast::ssl_stream<Tcp::socket>>;

static double number(std::string_view text) {
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// Prices and quantities, best first.
struct Side {
    std::vector<std::pair<double, double>> levels;

    template <class Better>
    void set(double px, double qty, Better better) {
        auto before = [&](const auto& level, double px) { return better(level.first, px); };
        auto at = std::lower_bound(levels.begin(), levels.end(), px, before);
        bool there = at != levels.end() && at->first == px;
        if (there && qty == 0) {
            levels.erase(at);
        } else if (there) {
            at->second = qty;
        } else if (qty != 0) {
            levels.insert(at, {px, qty});
        }
    }
};

struct Book {
    Side bids, asks;
};

static std::unique_ptr<Socket> dial(asio::io_context& io, asio::ssl::context& tls,
                                    const std::string& addr, const std::string& path) {
    auto colon = addr.rfind(':');
    auto socket = std::make_unique<Socket>(io, tls);
    Tcp::endpoint to(asio::ip::make_address(addr.substr(0, colon)),
                     static_cast<unsigned short>(std::stoi(addr.substr(colon + 1))));
    beast::get_lowest_layer(*socket).connect(to);
    beast::get_lowest_layer(*socket).set_option(Tcp::no_delay(true));
    socket->next_layer().handshake(asio::ssl::stream_base::client);
    socket->handshake("localhost", path);
    return socket;
}

struct Client {
    Socket& market;
    Socket& orders;
    beast::flat_buffer frame, answer;
    simdjson::ondemand::parser parser;
    std::unordered_map<std::string, Book> books;
    std::string order;
    unsigned long sent = 0;

    Client(Socket& market, Socket& orders) : market(market), orders(orders) {}

    void read_market() {
        market.async_read(frame, [this](beast::error_code error, std::size_t) {
            if (error) throw beast::system_error(error);
            handle();
            frame.consume(frame.size());
            read_market();
        });
    }

    void read_answers() {
        orders.async_read(answer, [this](beast::error_code error, std::size_t) {
            if (error) throw beast::system_error(error);
            auto text = beast::buffers_to_string(answer.data());
            if (text.find("\"error\":") != std::string::npos) throw std::runtime_error(text);
            answer.consume(answer.size());
            read_answers();
        });
    }

    void handle() {
        auto bytes = frame.size();
        frame.reserve(bytes + simdjson::SIMDJSON_PADDING);
        auto* text = static_cast<const char*>(frame.data().data());
        auto document = parser.iterate(text, bytes, frame.capacity());
        simdjson::ondemand::object data;
        if (document["data"].get(data)) return;
        std::string_view symbol = data["s"];
        auto& book = books[std::string(symbol)];
        double first_bid = 0;
        std::string_view first_ask;
        int n = 0;
        for (auto level : data["b"]) {
            auto [px, qty] = pair(level.value());
            book.bids.set(number(px), number(qty), [](double a, double b) { return a > b; });
            if (n++ == 0) first_bid = number(qty);
        }
        n = 0;
        for (auto level : data["a"]) {
            auto [px, qty] = pair(level.value());
            book.asks.set(number(px), number(qty), [](double a, double b) { return a < b; });
            if (n++ == 0) first_ask = px;
        }
        if (first_bid == 777 && !first_ask.empty()) place(symbol, first_ask);
    }

    static std::pair<std::string_view, std::string_view> pair(simdjson::ondemand::value level) {
        std::string_view text[2];
        int n = 0;
        for (auto part : level) {
            if (n < 2) text[n++] = part.get_string();
        }
        return {text[0], text[1]};
    }

    void place(std::string_view symbol, std::string_view px) {
        using namespace std::chrono;
        auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
        auto n = std::to_string(++sent);
        order = "{\"id\":" + n + ",\"method\":\"order.place\",\"params\":{\"symbol\":\"";
        order.append(symbol).append(
            "\",\"side\":\"BUY\",\"type\":\"LIMIT\",\"timeInForce\":\"IOC\",\"price\":\"");
        order.append(px).append("\",\"quantity\":\"100\",\"newOrderRespType\":\"ACK\",");
        order += "\"newClientOrderId\":\"p" + n + "\",\"timestamp\":" + std::to_string(now) + "}}";
        orders.write(asio::buffer(order));
    }
};

int main(int count, char** words) try {
    if (count != 6) throw std::runtime_error("beast ADDR CA PAIRS LOGON spin|park");
    std::string addr = words[1], pairs = words[3];
    bool spin = std::string_view(words[5]) == "spin";
    asio::io_context io(1);
    asio::ssl::context tls(asio::ssl::context::tls_client);
    tls.load_verify_file(words[2]);
    tls.set_verify_mode(asio::ssl::verify_peer);
    auto orders = dial(io, tls, addr, "/ws-api/v3?returnRateLimits=false");
    std::ifstream file(words[4]);
    std::string logon((std::istreambuf_iterator<char>(file)), {});
    orders->write(asio::buffer(logon));
    std::transform(pairs.begin(), pairs.end(), pairs.begin(), ::tolower);
    std::string path = "/stream?streams=", pair;
    for (std::istringstream all(pairs); std::getline(all, pair, ',');) {
        path += (path.back() == '=' ? "" : "/") + pair + "@depth@100ms";
    }
    auto market = dial(io, tls, addr, path);
    Client client(*market, *orders);
    client.read_market();
    client.read_answers();
    if (spin) {
        for (;;) io.poll();
    }
    io.run();
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
