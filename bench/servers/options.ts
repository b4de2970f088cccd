/** What the row of the table asks its server to be created with, beyond what all rows of that server have. */
export const options = JSON.parse(process.argv[2] ?? '{}') as object
