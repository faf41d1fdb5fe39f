// Where the guest is in memory, and how far above its link address it runs.
#pragma once

#define LOADED 0x1000000
#define SLIDE 0x1a000000
#define SLIDE_TEXT "1a000000"
