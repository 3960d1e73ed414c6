// SPDX-License-Identifier: GPL-3.0-or-later
#include "sim/fiber.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace mirrorscope {

namespace {
struct Ping {
    Fiber fiber;
    std::string trace;
};
} // namespace

TEST(Fiber, resumes_where_it_suspended) {
    Ping ping;
    ping.fiber.start(
        [](void* p) {
            auto& self = *static_cast<Ping*>(p);
            for (const char c : {'a', 'b', 'c'}) {
                self.trace += c;
                self.fiber.suspend();
            }
        },
        &ping);
    while (!ping.fiber.done()) {
        ping.fiber.resume();
        ping.trace += '.';
    }
    EXPECT_EQ(ping.trace, "a.b.c..");
}

TEST(Fiber, can_be_dropped_in_the_middle_and_used_again) {
    Ping ping;
    const auto body = [](void* p) {
        auto& self = *static_cast<Ping*>(p);
        self.trace += 'x';
        self.fiber.suspend();
        self.trace += 'y';
    };
    ping.fiber.start(body, &ping);
    ping.fiber.resume();
    ping.fiber.start(body, &ping);
    ping.fiber.resume();
    ping.fiber.resume();
    EXPECT_TRUE(ping.fiber.done());
    EXPECT_EQ(ping.trace, "xxy");
}

TEST(Fiber, deep_stacks_fit) {
    Ping ping;
    ping.fiber.start(
        [](void* p) {
            auto& self = *static_cast<Ping*>(p);
            const auto deep = [&](const auto& again, unsigned depth) -> unsigned {
                volatile char room[256] = {};
                room[depth % 256] = 1;
                if (depth == 40)
                    self.fiber.suspend();
                return depth == 0 ? 0u : again(again, depth - 1) + static_cast<unsigned>(room[depth % 256]);
            };
            self.trace = std::to_string(deep(deep, 100));
        },
        &ping);
    ping.fiber.resume();
    ping.fiber.resume();
    EXPECT_EQ(ping.trace, "100");
}

TEST(FiberDeathTest, overflow_hits_the_guard_page) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            Ping ping;
            ping.fiber.start(
                [](void* p) {
                    // As deep as is asked for, which is more than any stack has.
                    const auto deep = [](const auto& again, unsigned depth) -> unsigned {
                        volatile char room[4096] = {};
                        room[depth % 4096] = 1;
                        return depth == 0 ? 0u : again(again, depth - 1) + static_cast<unsigned>(room[depth % 4096]);
                    };
                    static_cast<Ping*>(p)->trace = std::to_string(deep(deep, 100000));
                },
                &ping);
            ping.fiber.resume();
        },
        "");
}

} // namespace mirrorscope
