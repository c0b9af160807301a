#include "pipeline/http/tls_server.h"

#include <algorithm>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

namespace pipeline {
namespace {

constexpr size_t kPlainBytes = 64 << 10;   // decrypted bytes handed on at once: four records
constexpr size_t kSliceBytes = 256 << 10;  // encrypted at once, so that a large answer is not held twice in one piece

std::string last_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  return reason ? reason : "unknown TLS error";
}

// Clients that offer HTTP/2 first are told that we speak 1.1.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::string text_of(ASN1_STRING* text) {
  unsigned char* bytes = nullptr;
  const int size = text ? ASN1_STRING_to_UTF8(&bytes, text) : -1;
  std::string out(reinterpret_cast<const char*>(bytes), static_cast<size_t>(std::max(size, 0)));
  OPENSSL_free(bytes);
  return out;
}

std::string common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  return at < 0 ? std::string() : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::string first_dns_name(const X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string out;
  for (int i = 0; out.empty() && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) out = text_of(name->d.dNSName);
  }
  GENERAL_NAMES_free(names);
  return out;
}

std::string version_of(const HttpServerTls& files) {
  std::string out;
  for (const std::string* file : {&files.cert_file, &files.key_file, &files.client_ca_file}) {
    struct stat about {};
    if (::stat(file->c_str(), &about) != 0) continue;
    out += concat(about.st_ino, " ", about.st_size, " ", about.st_mtim.tv_sec, ".", about.st_mtim.tv_nsec, "\n");
  }
  return out;
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(SSL_CTX* context, std::unique_ptr<TcpStream> stream)
      : stream_(std::move(stream)), ssl_(SSL_new(context)) {
    INVARIANT(ssl_ != nullptr);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_accept_state(ssl_);
  }
  ~TlsTransport() override { SSL_free(ssl_); }

  void start(TcpStream::OnBytes on_bytes, TcpStream::OnEnd on_end) override {
    on_bytes_ = std::move(on_bytes);
    on_end_ = std::move(on_end);
    stream_->start_reading([this](std::string_view bytes) { on_cipher(bytes); },
                           [this](Result<void> end) { on_end_(end); });
  }

  void write(std::vector<std::string> pieces, UniqueFunction<void(Result<void>)> done) override {
    std::vector<std::string> sealed;
    for (const std::string& piece : pieces) {
      for (size_t at = 0; at < piece.size(); at += kSliceBytes) {
        const int size = static_cast<int>(std::min(kSliceBytes, piece.size() - at));
        SSL_write(ssl_, piece.data() + at, size);  // a memory BIO takes all; a broken session sends its alert below
        sealed.push_back(take_cipher());
      }
    }
    stream_->write(std::move(sealed), std::move(done));
  }

  void finish() override {
    SSL_shutdown(ssl_);
    send_cipher();
    stream_->finish();
  }
  void close() override {
    closed_ = true;
    stream_->close();
  }
  void pause() override { stream_->pause_reading(); }
  void resume() override { stream_->resume_reading(); }
  void drain(size_t limit_bytes) override { stream_->drain(limit_bytes); }
  uint64_t unsent_bytes() const override { return stream_->unsent_bytes(); }
  const std::string& peer() const override { return stream_->peer(); }
  std::string client_name() const override {
    const X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (!certificate || SSL_get_verify_result(ssl_) != X509_V_OK) return {};
    std::string name = common_name(certificate);
    return name.empty() ? first_dns_name(certificate) : name;
  }

 private:
  void on_cipher(std::string_view bytes) {
    BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    if (!plain_) plain_ = std::make_unique_for_overwrite<char[]>(kPlainBytes);
    while (!closed_) {
      size_t filled = 0;
      int got = 0;
      ERR_clear_error();
      while (filled < kPlainBytes &&
             (got = SSL_read(ssl_, plain_.get() + filled, static_cast<int>(kPlainBytes - filled))) > 0) {
        filled += static_cast<size_t>(got);
      }
      const int why = got > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_, got);
      send_cipher();  // handshake, key updates, alerts
      if (filled > 0) on_bytes_({plain_.get(), filled});
      if (why == SSL_ERROR_NONE) continue;
      if (why != SSL_ERROR_WANT_READ && !closed_) end(why);
      return;
    }
  }

  void end(int why) {
    stream_->pause_reading();
    if (why == SSL_ERROR_ZERO_RETURN) {
      on_end_({});
    } else {
      on_end_(fail(Errc::kUnavailable, concat("TLS with ", stream_->peer(), ": ", last_openssl_error())));
    }
  }

  std::string take_cipher() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    std::string out(data, static_cast<size_t>(std::max(size, 0L)));
    (void)BIO_reset(out_);
    return out;
  }
  void send_cipher() {
    if (closed_ || BIO_ctrl_pending(out_) == 0) return;
    std::vector<std::string> pieces;
    pieces.push_back(take_cipher());
    stream_->write(std::move(pieces), nullptr);
  }

  std::unique_ptr<TcpStream> stream_;
  SSL* ssl_;
  BIO* in_;   // owned by ssl_
  BIO* out_;  // owned by ssl_
  TcpStream::OnBytes on_bytes_;
  TcpStream::OnEnd on_end_;
  std::unique_ptr<char[]> plain_;
  bool closed_ = false;
};

}  // namespace

struct TlsServer::Context {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  ~Context() { SSL_CTX_free(context); }
  Result<void> load(const HttpServerTls& files);
};

Result<void> TlsServer::Context::load(const HttpServerTls& files) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context,
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (!files.session_tickets) SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  ERR_clear_error();
  auto refuse = [](std::string_view what, const std::string& file) {
    return fail(Errc::kInvalid, concat(what, " ", file, ": ", last_openssl_error()));
  };
  if (SSL_CTX_use_certificate_chain_file(context, files.cert_file.c_str()) != 1) {
    return refuse("TLS certificate", files.cert_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return refuse("TLS key", files.key_file);
  }
  if (files.client_ca_file.empty()) return {};
  if (SSL_CTX_load_verify_locations(context, files.client_ca_file.c_str(), nullptr) != 1) {
    return refuse("TLS client authority", files.client_ca_file);
  }
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(files.client_ca_file.c_str()));
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  static constexpr unsigned char kSessionName[] = "skidway";
  SSL_CTX_set_session_id_context(context, kSessionName, sizeof kSessionName - 1);
  return {};
}

TlsServer::TlsServer(const HttpServerTls& files) : files_(files) {}
TlsServer::~TlsServer() = default;

Result<std::unique_ptr<TlsServer>> TlsServer::create(const HttpServerTls& files) {
  std::unique_ptr<TlsServer> server(new TlsServer(files));
  TRY(server->load());
  return server;
}

Result<void> TlsServer::load() {
  version_ = version_of(files_);
  looked_at_ = SystemClock().monotonic();
  auto context = std::make_unique<Context>();
  INVARIANT(context->context != nullptr);
  TRY(context->load(files_));
  context_ = std::move(context);
  return {};
}

Result<TlsServer::Renewal> TlsServer::renew() {
  looked_at_ = SystemClock().monotonic();
  if (version_of(files_) == version_) return Renewal::kUnchanged;
  TRY(load());
  return Renewal::kTaken;
}

std::unique_ptr<Transport> TlsServer::wrap(std::unique_ptr<TcpStream> stream) {
  if (SystemClock().monotonic() - looked_at_ >= kLookEvery) {
    auto renewed = renew();
    if (!renewed)
      log_warn("renewed certificates cannot be used, the old ones go on", {{"error", renewed.error()}});
    else if (*renewed == Renewal::kTaken)
      log_info("renewed certificates are used", {{"certificate", files_.cert_file}});
  }
  return std::make_unique<TlsTransport>(context_->context, std::move(stream));  // holds the context by its own count
}

}  // namespace pipeline
