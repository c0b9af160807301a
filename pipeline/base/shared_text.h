// SharedText: a text that many hold and nobody changes, such as the path of a file: one pointer each, one copy of it,
// in one allocation with its count of holders.
//
// Thread:  any (the count of its holders is atomic).
#pragma once

#include <atomic>
#include <compare>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace pipeline {

class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string_view text) : text_(text.empty() ? nullptr : make(text)) {}
  SharedText(const std::string& text) : SharedText(std::string_view(text)) {}
  SharedText(const char* text) : SharedText(std::string_view(text)) {}
  SharedText(const SharedText& other) : text_(other.text_) {
    if (text_ != nullptr) text_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  SharedText(SharedText&& other) noexcept : text_(std::exchange(other.text_, nullptr)) {}
  SharedText& operator=(SharedText other) noexcept {
    std::swap(text_, other.text_);
    return *this;
  }
  ~SharedText() {
    if (text_ == nullptr || text_->holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    text_->~Text();
    ::operator delete(text_);
  }

  bool empty() const { return text_ == nullptr; }
  // Good as long as somebody holds the text.
  std::string_view view() const {
    return text_ == nullptr ? std::string_view() : std::string_view(c_str(), text_->size);
  }
  const char* c_str() const { return text_ == nullptr ? "" : text_->begin(); }
  std::string str() const { return std::string(view()); }
  operator std::string_view() const { return view(); }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.text_ == b.text_ || a.view() == b.view();
  }
  template <std::convertible_to<std::string_view> Other>
  requires(!std::same_as<Other, SharedText>) friend bool operator==(const SharedText& a, const Other& b) {
    return a.view() == std::string_view(b);
  }
  friend auto operator<=>(const SharedText& a, const SharedText& b) { return a.view() <=> b.view(); }

  // For containers that are asked with any text.
  struct Order {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a < b; }
  };

 private:
  // Its characters, and a zero, stand behind it.
  struct Text {
    explicit Text(uint32_t bytes) : size(bytes) {}
    char* begin() { return reinterpret_cast<char*>(this + 1); }
    std::atomic<uint32_t> holders{1};
    const uint32_t size;
  };
  static Text* make(std::string_view text) {
    Text* made = new (::operator new(sizeof(Text) + text.size() + 1)) Text(static_cast<uint32_t>(text.size()));
    std::memcpy(made->begin(), text.data(), text.size());
    made->begin()[text.size()] = '\0';
    return made;
  }
  Text* text_ = nullptr;
};

}  // namespace pipeline
