/* cli/verbs.h - what `muir VERB ...` can do.  A verb gets the arguments behind its name and returns the exit status: 0 done, 1 failed, 2 wrong
 * usage.  Only main() calls these. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

/* Runs both services until SIGTERM or SIGINT. */
int verb_serve(int argc, char **argv);

#endif
