// SharedText: a text that many hold and nobody changes, such as the path of a file: one pointer each, one copy of it.
//
// Thread:  any (the count of its holders is atomic).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

namespace pipeline {

class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string text) : text_(text.empty() ? nullptr : new Text(std::move(text))) {}
  SharedText(const char* text) : SharedText(std::string(text)) {}
  SharedText(const SharedText& other) : text_(other.text_) {
    if (text_ != nullptr) text_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  SharedText(SharedText&& other) noexcept : text_(std::exchange(other.text_, nullptr)) {}
  SharedText& operator=(SharedText other) noexcept {
    std::swap(text_, other.text_);
    return *this;
  }
  ~SharedText() {
    if (text_ != nullptr && text_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete text_;
  }

  const std::string& str() const {
    static const std::string empty;
    return text_ == nullptr ? empty : text_->text;
  }
  operator const std::string&() const { return str(); }
  bool empty() const { return text_ == nullptr; }

  friend bool operator==(const SharedText& a, const SharedText& b) { return a.text_ == b.text_ || a.str() == b.str(); }
  friend auto operator<=>(const SharedText& a, const SharedText& b) { return a.str() <=> b.str(); }

  // For containers that are asked with any text.
  struct Order {
    using is_transparent = void;
    bool operator()(const std::string& a, const std::string& b) const { return a < b; }
  };

 private:
  struct Text {
    explicit Text(std::string t) : text(std::move(t)) { text.shrink_to_fit(); }
    std::atomic<uint32_t> holders{1};
    std::string text;
  };
  Text* text_ = nullptr;
};

}  // namespace pipeline
