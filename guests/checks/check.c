#include "check.h"
#include "../common/console.h"

void check(const char *rule, u64 got, u64 wanted) {
    print(got == wanted ? "ok " : "FAIL ");
    print(rule);
    if (got != wanted) {
        print(": ");
        print_number(got);
        print(", not ");
        print_number(wanted);
    }
    print("\n");
}
