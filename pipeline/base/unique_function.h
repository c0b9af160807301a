// UniqueFunction<R(Args...)>: a callable that may own things which cannot be copied (C++23's std::move_only_function).
//
// Empty after being moved from. Calling an empty one is a wrong program.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include "pipeline/base/invariant.h"

namespace pipeline {

template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, std::remove_cvref_t<F>&, Args...>) UniqueFunction(F&& f)
      : target_(std::make_unique<Holder<std::remove_cvref_t<F>>>(std::forward<F>(f))) {}

  explicit operator bool() const { return target_ != nullptr; }
  R operator()(Args... args) {
    INVARIANT(target_ != nullptr);
    return target_->call(std::forward<Args>(args)...);
  }

 private:
  struct Target {
    virtual ~Target() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Holder final : Target {
    template <class G>
    explicit Holder(G&& g) : f(std::forward<G>(g)) {}
    R call(Args... args) override { return f(std::forward<Args>(args)...); }
    F f;
  };
  std::unique_ptr<Target> target_;
};

}  // namespace pipeline
