// ByteBuffer: bytes that grow at the end without ever being zero-filled first, unlike std::string. For encoders, and
// for decompressors that know how much they are about to write.
//
// Life:    move-only value; a moved-from buffer is empty and usable. clear() keeps the capacity.
// Thread:  one at a time. Running out of memory ends the process.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "pipeline/base/invariant.h"

namespace pipeline {

class ByteBuffer {
 public:
  ByteBuffer() = default;
  explicit ByteBuffer(size_t capacity) { reserve(capacity); }
  ~ByteBuffer() { std::free(data_); }
  ByteBuffer(ByteBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    std::swap(data_, other.data_), std::swap(size_, other.size_), std::swap(capacity_, other.capacity_);
    other.clear();
    return *this;
  }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data_, size_}; }

  void clear() { size_ = 0; }
  void reserve(size_t capacity) {
    if (capacity > capacity_) allocate(capacity);
  }
  // Cuts, or adds bytes of unknown content.
  void resize(size_t size) {
    reserve(size);
    size_ = size;
  }

  // Where the next bytes go: room for at least `n` of them. Write there, then say with advance_to() where you stopped.
  char* room(size_t n) {
    if (capacity_ - size_ < n) [[unlikely]]
      grow(n);
    return data_ + size_;
  }
  void advance_to(const char* end) {
    size_ = static_cast<size_t>(end - data_);
    DEBUG_INVARIANT(size_ <= capacity_);
  }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }

 private:
  void grow(size_t n) {
    size_t doubled = capacity_ * 2, needed = size_ + n;
    allocate(doubled > needed ? doubled : needed);
  }
  void allocate(size_t capacity) {
    data_ = static_cast<char*>(std::realloc(data_, capacity));
    INVARIANT(data_ != nullptr);
    capacity_ = capacity;
  }

  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace pipeline
