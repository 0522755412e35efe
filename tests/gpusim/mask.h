/* CUDA_VISIBLE_DEVICES as the driver reads it: unset = all; cut at the first invalid entry; duplicates empty
   the list. UUIDs as two.env names them: GPU-0000000N-... is device N-1; unique prefixes count. Latched at
   the first call. */
#include <stdlib.h>
#include <string.h>
static int mask_n = -1, mask_map[64];
static int mask_count(void) {
  const char *c = getenv("GPUSIM_COUNT"), *v = getenv("CUDA_VISIBLE_DEVICES");
  int all = c ? atoi(c) : 1;
  if (mask_n >= 0)
    return mask_n;
  mask_n = 0;
  if (!v) {
    for (int i = 0; i < all && i < 64; i++)
      mask_map[mask_n++] = i;
    return mask_n;
  }
  char b[1024], *save, *t;
  strncpy(b, v, 1023);
  b[1023] = 0;
  for (t = strtok_r(b, ",", &save); t; t = strtok_r(0, ",", &save)) {
    char *e;
    long i;
    while (*t == ' ')
      t++;
    if (!strncmp(t, "GPU-0000000", 11)) {
      i = strtol(t + 11, &e, 16) - 1;
      e = "";
    } else {
      if (*t < '0' || *t > '9')
        break;
      i = strtol(t, &e, 10);
    }
    if (*e || i < 0 || i >= all)
      break;
    for (int k = 0; k < mask_n; k++)
      if (mask_map[k] == i) {
        mask_n = 0;
        return 0;
      }
    if (mask_n < 64)
      mask_map[mask_n++] = (int)i;
  }
  return mask_n;
}
