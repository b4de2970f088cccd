/** Options of the server in this row of the table, in addition to the options of all rows of that server. */
export const options = JSON.parse(process.argv[2] ?? '{}') as object
