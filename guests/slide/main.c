// A guest that runs elsewhere than it was linked, as Linux with KASLR does, and says so as Linux does.

#include "slide.h"
#include "../common/console.h"
#include "../common/types.h"

// What debuggers know a Linux kernel by before it has written its crash note.
__attribute__((aligned(32))) const char banner[] = "Linux version 6.1.0-slide (a guest that only says so)\n";

// Linux's vmcoreinfo_data: text from the start of a page on.
__attribute__((aligned(4096))) char note[4096];

u64 steps;         // how often work() was called
volatile int done; // `set var done = 1` ends it

void arrived(void) { print("slide: arrived\n"); }

void publish(void) {
    const char *text = "OSRELEASE=6.1.0-slide\nBUILD-ID=00112233445566778899aabbccddeeff00112233\nPAGESIZE=4096\n"
                       "KERNELOFFSET=" SLIDE_TEXT "\n";
    for (int i = 0; text[i]; i++) note[i] = text[i];
}

void work(void) { steps++; }

int main(void) {
    print(banner);
    arrived();
    publish();
    while (!done) work();
    print("slide: done\n");
    return 0;
}
