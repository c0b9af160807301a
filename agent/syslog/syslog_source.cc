#include "agent/syslog/syslog_source.h"

#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "agent/syslog/host_names.h"
#include "agent/syslog/syslog_connection.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/log.h"
#include "pipeline/http/tls_server.h"
#include "pipeline/loop/datagram_socket.h"
#include "pipeline/loop/local_listener.h"

namespace agent {

using namespace std::chrono_literals;
using pipeline::concat;
using pipeline::Datagram;
using pipeline::Result;
using pipeline::TcpStream;

namespace {

using Kind = SyslogListen::Kind;

constexpr auto kSweepEvery = 1s;
constexpr auto kFlushAfter = 110ms;             // a little above SyslogConnection's
constexpr uint64_t kDatagramLanes = 1024;       // senders share them: forged addresses make no more
constexpr size_t kLargestDatagram = 256 << 10;  // no sender makes larger ones

// "192.0.2.1" of "192.0.2.1:4711", "2001:db8::1" of "[2001:db8::1]:4711"; an IPv4 address in IPv6 form is itself.
std::string ip_of(const std::string& peer) {
  if (peer.starts_with("unix:")) return {};
  std::string ip = peer.substr(0, peer.rfind(':'));
  if (ip.starts_with('[')) ip = ip.substr(1, ip.size() - 2);
  if (ip.starts_with("::ffff:") && ip.find('.') != ip.npos) ip = ip.substr(7);
  return ip;
}

// Certificates that are read again when their files change.
class TlsFiles {
 public:
  explicit TlsFiles(const SyslogOptions& options)
      : files_{options.cert_file, options.key_file, options.client_ca_file, false} {}

  Result<void> load() {
    TRY_LET(server_, pipeline::TlsServer::create(files_));
    stamp_ = stamp();
    return {};
  }
  void look_again() {
    if (!server_ || stamp() == stamp_) return;
    if (auto loaded = load(); !loaded) {
      stamp_ = stamp();  // said once for each state of the files
      pipeline::log_error("syslog keeps its old certificate", {{"error", loaded.error()}});
    }
  }
  std::unique_ptr<pipeline::Transport> wrap(std::unique_ptr<TcpStream> stream) {
    return server_->wrap(std::move(stream));
  }

 private:
  using Stamp = std::vector<std::filesystem::file_time_type>;
  Stamp stamp() const {
    Stamp times;
    for (const std::string& file : {files_.cert_file, files_.key_file, files_.client_ca_file}) {
      std::error_code none;
      if (!file.empty()) times.push_back(std::filesystem::last_write_time(file, none));
    }
    return times;
  }

  const pipeline::HttpServerTls files_;
  std::unique_ptr<pipeline::TlsServer> server_;
  Stamp stamp_;
};

class SyslogSource final : public StreamSource {
 public:
  explicit SyslogSource(const StreamParts& parts)
      : parts_(parts),
        options_(static_cast<const SyslogOptions&>(*parts.options->stream)),
        metrics_(parts.registry, parts.options->name),
        entries_(options_, parts.options->name, parts.clock, metrics_),
        tls_(options_),
        home_{options_,
              parts_.options->name,
              entries_,
              metrics_,
              parts_.loop,
              [this](Parcel parcel) { hand_over(std::move(parcel)); },
              [this](uint64_t id) { forget(id); },
              [this] {
                if (!flush_.active()) flush_.start(kFlushAfter);
              }},
        self_(std::make_shared<SyslogSource*>(this)),
        sweep_(parts.loop, [this] { sweep(); }),
        flush_(parts.loop, [this] { look_at_time(); }) {
    if (options_.resolve_hostnames) names_ = std::make_unique<HostNames>(parts_.loop, parts_.clock);
    parts_.reader.on_room([weak = std::weak_ptr<SyslogSource*>(self_)] {
      if (auto self = weak.lock()) (*self)->resume();
    });
  }
  ~SyslogSource() override { stop(); }

  Result<void> start() override {
    for (const SyslogListen& listen : options_.listens) {
      if (auto opened = open(listen); !opened) {
        stop();
        return opened;
      }
    }
    sweep_.start_repeating(kSweepEvery);
    return {};
  }

  void stop() override {
    if (stopped_) return;
    stopped_ = true;
    sweep_.stop();
    flush_.stop();
    names_.reset();
    tcp_.clear();
    local_.clear();
    for (auto& socket : datagrams_) {
      give_held(*socket);
      socket->socket->drain();
      metrics_.kernel_lost.add(socket->socket->lost() - socket->counted_lost);
    }
    datagrams_.clear();
    for (auto& [id, connection] : std::exchange(connections_, {})) {
      connection->stop();
      gone_.push_back(std::move(connection));
    }
    metrics_.connections.set(0);
  }

  std::vector<Target> targets() const override {
    std::vector<Target> all;
    pipeline::LabelSet labels;
    for (auto& [name, value] : parts_.options->labels) labels = labels.with(name, value);
    for (const std::string& address : addresses_)
      all.push_back({.source = parts_.options->name, .path = address, .labels = labels, .state = "active"});
    return all;
  }

 private:
  struct DatagramListener {
    std::unique_ptr<pipeline::DatagramSocket> socket;
    uint64_t lane = 0;
    uint64_t counted_lost = 0;
    struct Held {
      std::string bytes, sender;
      uint64_t cut_bytes = 0;
    };
    std::vector<Held> held;  // until the name of a sender is known; the socket is paused then
  };

  // --- listening

  Result<void> open(const SyslogListen& listen) {
    switch (listen.kind) {
      case Kind::kTcp: return open_tcp(listen, false);
      case Kind::kTls: {
        TRY(tls_.load());
        return open_tcp(listen, true);
      }
      case Kind::kLocalStream: return open_local(listen);
      case Kind::kUdp:
      case Kind::kLocalDatagrams: return open_datagrams(listen);
    }
    return {};
  }

  Result<void> open_tcp(const SyslogListen& listen, bool tls) {
    TRY_LET(auto listener,
            pipeline::TcpListener::listen(parts_.loop, listen.address, [this, tls](std::unique_ptr<TcpStream> stream) {
              accept(std::move(stream), tls);
            }));
    addresses_.push_back(concat(tls ? "tls://" : "tcp://", listener->address()));
    tcp_.push_back(std::move(listener));
    return {};
  }

  Result<void> open_local(const SyslogListen& listen) {
    TRY_LET(auto listener, pipeline::LocalListener::listen(
                               parts_.loop, {listen.address, options_.socket_mode},
                               [this](std::unique_ptr<TcpStream> stream) { accept(std::move(stream), false); }));
    addresses_.push_back(listen.text);
    local_.push_back(std::move(listener));
    return {};
  }

  Result<void> open_datagrams(const SyslogListen& listen) {
    auto made = std::make_unique<DatagramListener>();
    DatagramListener* state = made.get();
    pipeline::DatagramSocket::Options options{std::min(options_.max_message_bytes, kLargestDatagram),
                                              options_.receive_buffer_bytes};
    auto take = [this, state](const std::vector<Datagram>& datagrams) { on_datagrams(*state, datagrams); };
    if (listen.kind == Kind::kUdp) {
      TRY_LET(state->socket, pipeline::DatagramSocket::open_udp(parts_.loop, listen.address, options, take));
      addresses_.push_back(concat("udp://", state->socket->address()));
    } else {
      TRY_LET(state->socket,
              pipeline::DatagramSocket::open_local(parts_.loop, {listen.address, options_.socket_mode}, options, take));
      addresses_.push_back(listen.text);
    }
    state->lane = (datagrams_.size() + 1) << 48;
    if (listen.kind == Kind::kUdp && state->socket->receive_buffer_bytes() < options_.receive_buffer_bytes)
      pipeline::log_info("the system gives syslog a smaller buffer than asked for; raise net.core.rmem_max",
                         {{"source", parts_.options->name},
                          {"address", addresses_.back()},
                          {"bytes", state->socket->receive_buffer_bytes()},
                          {"asked", options_.receive_buffer_bytes}});
    datagrams_.push_back(std::move(made));
    return {};
  }

  // --- connections

  void accept(std::unique_ptr<TcpStream> stream, bool tls) {
    if (connections_.size() >= options_.max_connections) {
      metrics_.refused_connections.add();
      if (auto held = refusals_.allow())
        pipeline::log_warn("syslog connection refused: there are max_connections of them",
                           {{"source", parts_.options->name}, {"peer", stream->peer()}, {"held_back", *held}});
      return;
    }
    std::string ip = ip_of(stream->peer());
    auto transport = tls ? tls_.wrap(std::move(stream)) : pipeline::plain_transport(std::move(stream));
    uint64_t id = ++last_id_;
    auto& connection = connections_[id] =
        std::make_unique<SyslogConnection>(home_, id, std::move(transport), std::move(ip));
    metrics_.connections.set(static_cast<int64_t>(connections_.size()));
    if (paused_) connection->pause();
    if (connection->ip().empty() || !names_) return connection->start(connection->ip());
    names_->resolve(connection->ip(), [this, id](const std::string& name) {
      if (auto at = connections_.find(id); at != connections_.end()) at->second->start(name);
    });
  }

  // Inside a callback of the connection: it is destroyed later.
  void forget(uint64_t id) {
    auto at = connections_.find(id);
    if (at == connections_.end()) return;  // stop() holds it
    gone_.push_back(std::move(at->second));
    connections_.erase(at);
    metrics_.connections.set(static_cast<int64_t>(connections_.size()));
    parts_.loop.post([weak = std::weak_ptr<SyslogSource*>(self_)] {
      if (auto self = weak.lock()) (*self)->gone_.clear();
    });
  }

  void hand_over(Parcel parcel) {
    parts_.reader.take(std::move(parcel));
    if (!stopped_ && !paused_ && parts_.reader.full()) pause();
  }

  void look_at_time() {
    std::vector<uint64_t> ids;  // connections close while we look
    for (auto& [id, connection] : connections_) ids.push_back(id);
    bool again = false;
    for (uint64_t id : ids) {
      auto at = connections_.find(id);
      if (at == connections_.end()) continue;
      at->second->look_at_time();
      again = again || (connections_.contains(id) && at->second->has_whole());
    }
    if (again && !flush_.active()) flush_.start(kFlushAfter);
  }

  void sweep() {
    look_at_time();
    tls_.look_again();
    for (auto& socket : datagrams_) {
      uint64_t lost = socket->socket->lost();
      metrics_.kernel_lost.add(lost - std::exchange(socket->counted_lost, lost));
    }
  }

  // --- datagrams

  void on_datagrams(DatagramListener& from, const std::vector<Datagram>& datagrams) {
    for (size_t i = 0; i < datagrams.size();) {
      std::string sender(datagrams[i].sender);
      auto name = name_of(sender);
      if (!name) return hold(from, datagrams, i, sender);
      SyslogPeer peer{sender, *name};
      entries_.begin(from.lane + pipeline::hash64(sender) % kDatagramLanes);
      for (; i < datagrams.size() && datagrams[i].sender == sender; ++i) add_datagram(datagrams[i], peer);
      if (Parcel parcel = entries_.take(); !parcel.empty()) hand_over(std::move(parcel));
    }
  }

  std::optional<std::string> name_of(const std::string& sender) {
    if (!names_ || sender.empty()) return sender;
    if (auto at = named_.find(sender); at != named_.end()) return at->second;
    return names_->known(sender);
  }

  void add_datagram(const Datagram& datagram, const SyslogPeer& peer) {
    if (datagram.cut_bytes > 0) metrics_.cut_messages.add();
    metrics_.cut_bytes.add(datagram.cut_bytes);
    if (!options_.raw && !datagram.bytes.starts_with('<')) return entries_.add(datagram.bytes, peer);
    pipeline::SyslogFrames frames(
        kLargestDatagram, options_.raw
                              ? options_.nul_delimited ? pipeline::SyslogTrailer::kNul : pipeline::SyslogTrailer::kLine
                              : pipeline::SyslogTrailer::kNextMessage);
    auto add = [&](std::string_view message) { entries_.add(message, peer); };
    auto fed = frames.feed(datagram.bytes, add);
    INVARIANT(fed.has_value());  // the first byte was looked at
    frames.finish(add);
  }

  // The rest waits here, and the next ones in the kernel, until the sender's name is known.
  void hold(DatagramListener& from, const std::vector<Datagram>& datagrams, size_t first, const std::string& sender) {
    std::vector<DatagramListener::Held> rest;
    for (size_t i = first; i < datagrams.size(); ++i)
      rest.push_back({std::string(datagrams[i].bytes), std::string(datagrams[i].sender), datagrams[i].cut_bytes});
    from.held = std::move(rest);
    from.socket->pause();
    names_->resolve(sender, [this, &from, sender](const std::string& name) {
      named_[sender] = name;
      give_held(from);
      named_.erase(sender);
      if (from.held.empty() && !paused_ && !stopped_) from.socket->resume();
    });
  }

  void give_held(DatagramListener& from) {
    std::vector<DatagramListener::Held> held = std::exchange(from.held, {});
    std::vector<Datagram> datagrams;
    for (const auto& one : held) datagrams.push_back({one.bytes, one.sender, one.cut_bytes});
    on_datagrams(from, datagrams);
  }

  // --- backpressure

  void pause() {
    paused_ = true;
    for (auto& [id, connection] : connections_) connection->pause();
    for (auto& socket : datagrams_) socket->socket->pause();
  }

  void resume() {
    if (!paused_ || stopped_ || parts_.reader.full()) return;
    paused_ = false;
    for (auto& [id, connection] : connections_) connection->resume();
    for (auto& socket : datagrams_)
      if (socket->held.empty()) socket->socket->resume();
  }

  const StreamParts parts_;
  const SyslogOptions& options_;
  SyslogMetrics metrics_;
  SyslogEntries entries_;
  TlsFiles tls_;
  const SyslogConnection::Home home_;
  std::unique_ptr<HostNames> names_;          // null: addresses are names
  std::map<std::string, std::string> named_;  // names just found out, of what was held for them
  std::vector<std::unique_ptr<pipeline::TcpListener>> tcp_;
  std::vector<std::unique_ptr<pipeline::LocalListener>> local_;
  std::vector<std::unique_ptr<DatagramListener>> datagrams_;
  std::map<uint64_t, std::unique_ptr<SyslogConnection>> connections_;
  std::vector<std::unique_ptr<SyslogConnection>> gone_;  // closed, until no callback of theirs runs
  std::vector<std::string> addresses_;
  pipeline::LogLimiter refusals_;
  uint64_t last_id_ = 0;
  bool paused_ = false, stopped_ = false;
  std::shared_ptr<SyslogSource*> self_;
  pipeline::Timer sweep_, flush_;
};

}  // namespace

std::unique_ptr<StreamSource> make_syslog(const StreamParts& parts) { return std::make_unique<SyslogSource>(parts); }

}  // namespace agent
