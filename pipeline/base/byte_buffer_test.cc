#include "pipeline/base/byte_buffer.h"

#include <doctest/doctest.h>
#include <string>

using namespace pipeline;

TEST_SUITE("base") {
  TEST_CASE("base: a byte buffer grows, is cleared with its capacity, and is empty after it was moved") {
    ByteBuffer buffer;
    std::string expected;
    for (int i = 0; i < 2000; ++i) {
      std::string piece(static_cast<size_t>(i % 37), static_cast<char>('a' + i % 26));
      buffer.append(piece), expected += piece;
    }
    CHECK((buffer.view() == expected));
    char* to = buffer.room(3);
    to[0] = 'x';
    buffer.advance_to(to + 1);
    CHECK(buffer.size() == expected.size() + 1);
    buffer.resize(2);
    CHECK(buffer.view() == expected.substr(0, 2));

    ByteBuffer other = std::move(buffer);
    CHECK(other.size() == 2);
    CHECK(buffer.empty());
    buffer.append("again");
    CHECK(buffer.view() == "again");
    other = std::move(buffer);
    CHECK(other.view() == "again");
    CHECK(buffer.empty());
    size_t capacity = other.capacity();
    other.clear();
    CHECK(other.view().empty());
    CHECK(other.capacity() == capacity);
    ByteBuffer nothing(0);
    nothing.append("");
    CHECK(nothing.empty());
  }
}
