// SPDX-License-Identifier: GPL-2.0-or-later
// Code of every kind of name: what symbolisation is held to. Each part allocates, and keeps it.
// named [ROUNDS [MILLISECONDS BETWEEN THEM]]
/* build: -O2 */
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#define APART __attribute__((noinline, noclone))

namespace
{

void *volatile kept;
volatile int sink;

APART void keep(void *block)
{
	kept = block;
}

// Goes into its callers, in two steps.
inline __attribute__((always_inline)) void *inner_inlined(size_t size)
{
	void *block = std::malloc(size + 1);

	keep(block);
	return block;
}

inline __attribute__((always_inline)) void *outer_inlined(size_t size)
{
	sink = sink + 1;
	return inner_inlined(2 * size);
}

template <typename Element> struct Shelf {
	std::vector<Element> elements;

	APART void put(const Element &element, int times)
	{
		for (int i = 0; i < times; i++)
			elements.push_back(element);
	}
};

template <typename Number> APART Number *leak_array(size_t count)
{
	Number *array = new Number[count]();

	keep(array);
	return array;
}

} // namespace

namespace shop
{

class Till
{
      public:
	APART explicit Till(int coins) : drawer(new int[static_cast<size_t>(coins)])
	{
	}
	Till(const Till &) = delete;
	Till &operator=(const Till &) = delete;
	APART ~Till()
	{
		delete[] drawer;
	}
	APART int operator()(int coin) const
	{
		return drawer[coin % 4] + coin;
	}

      private:
	int *drawer;
};

} // namespace shop

extern "C" {
APART void first_place(const char *text)
{
	keep(strdup(text));
	sink = 1;
}

APART void second_place(const char *text)
{
	keep(strdup(text));
	sink = 2;
}

APART void third_place(const char *text)
{
	keep(strdup(text));
	sink = 3;
}
}

APART static void calls_inlined(size_t size)
{
	keep(outer_inlined(size));
	sink = 4;
}

APART static int throws(int depth)
{
	if (depth > 3)
		throw std::string("deep enough");
	return throws(depth + 1) + sink;
}

int main(int argc, char **argv)
{
	const int rounds = argc > 1 ? std::atoi(argv[1]) : 10;
	const timespec pause = { 0, argc > 2 ? std::atoi(argv[2]) * 1000000L : 0 };
	const std::function<int(int)> lambda = [](int value) APART {
		keep(std::malloc(48));
		return value + 1;
	};
	Shelf<std::string> names;
	Shelf<double> numbers;

	for (int i = 0; i < rounds; i++) {
		const shop::Till till(8 + i);

		first_place("one");
		second_place("two");
		third_place("three");
		calls_inlined(100);
		leak_array<long>(10);
		leak_array<short>(10);
		names.put("a name that is too long for itself", 3);
		numbers.put(1.5, 3);
		sink = till(lambda(i));
		try {
			throws(0);
		} catch (const std::string &text) {
			sink = static_cast<int>(text.size());
		}
		nanosleep(&pause, nullptr);
	}
	return 0;
}
